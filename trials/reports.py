"""What a run of trials says while it goes on, and the file that it leaves for other programs."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def say(text: str) -> None:
    """Print at once, also into a file."""
    print(text, flush=True)


def write(name: str, found: Mapping[str, object]) -> None:
    """Keep what was found, and on what machine, in `var/`."""
    result = ROOT / "var" / name
    result.parent.mkdir(exist_ok=True)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result.write_text(json.dumps({**found, "machine": machine}, indent=1, ensure_ascii=False) + "\n")
    say(f"Written to {result.relative_to(ROOT)}.")
