"""The prediction question: what is counted, and how far off a prediction is."""

COUNTED = ("people", "full", "percentage")
PERCENTAGE_UNITS = 10**7  # a percentage is kept as a whole number of 1/100,000 %


def truth(counted: str, *, people: int, full: int) -> int | None:
    """Return what was to be predicted, or None where there is nobody to count.

    `people` have a valid counted attempt, `full` of them have full points. The percentage is 10⁷ ×
    full ÷ people, rounded half up: 87,65432 % is 8765432.
    """
    if people == 0:
        return None
    if counted == "people":
        return people
    if counted == "full":
        return full
    return (2 * PERCENTAGE_UNITS * full + people) // (2 * people)


def prediction_error(prediction: int | None, truth: int | None) -> int | None:
    """Return the distance from the truth; None without a prediction or a truth."""
    if prediction is None or truth is None:
        return None
    return abs(prediction - truth)
