"""Charts: how high an axis goes. What is drawn from it is in templates/charts.html."""


def ticks(highest: float) -> range:
    """Return the ticks of an upward axis in whole numbers: 0 to the first round number from `highest` on."""
    highest = max(highest, 4)
    unit = next(
        unit * 10**power for power in range(12) for unit in (1, 2, 5) if 4 * unit * 10**power >= highest
    )
    return range(0, int(-(-highest // unit)) * unit + 1, unit)
