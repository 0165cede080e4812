"""The garbage collector, moved out of the way of whatever allocates.

CPython 3.11 collects wherever memory is asked for, also in the middle of giving an object its
`__dict__`. Rows that are read by several threads then end the process now and then, with a fault in
the interpreter (3.12 and later collect between two steps of a program only). So nothing is collected
by itself here; a thread does it, which runs between two steps of the others.
"""

import gc
import threading
import time

YOUNG_EVERY = 0.25  # seconds
# Every so many times it looks at all objects and not only at the young ones.
ALL_EACH = 40


def collect_apart() -> None:
    """From now on collect this process's garbage in a thread of its own."""
    gc.disable()
    threading.Thread(target=_collect, name="collector", daemon=True).start()


def _collect() -> None:
    turn = 0
    while True:
        time.sleep(YOUNG_EVERY)
        turn += 1
        gc.collect(2 if turn % ALL_EACH == 0 else 1)
