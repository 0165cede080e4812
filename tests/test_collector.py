"""Garbage is collected in a thread of its own, and never where memory is asked for."""

import subprocess
import sys

PROGRAM = """
import gc, threading, time, weakref
from contest.collector import collect_apart

class Knot:
    pass

collected_by = []
collect_apart()
assert not gc.isenabled()
for _ in range(50):
    knot = Knot()
    knot.itself = knot
    weakref.finalize(knot, lambda: collected_by.append(threading.current_thread().name))
del knot
give_up_at = time.monotonic() + 10
while len(collected_by) < 50 and time.monotonic() < give_up_at:
    [[] for _ in range(10_000)]  # asks for memory: by itself the collector would run here
print(len(collected_by), *set(collected_by))
"""


def test_the_collector_works_in_a_thread_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["50", "collector"], done.stderr
