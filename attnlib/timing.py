"""How long a piece of work takes on this computer, in milliseconds on the clock.

A machine has other things to do. What disturbs it only ever adds time: of several rounds the
fastest says most about the work, and in turns a busy moment hits all alike.
"""

import time

import numpy as np
from numpy.typing import NDArray

from attnlib import _check


def milliseconds(work) -> float:
    """How long work() takes, once."""
    work = _check.function("work", work, "a function without arguments")
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def fastest(*works, rounds=5) -> NDArray:
    """The fastest of several rounds in which all works take turns: (works,), in milliseconds."""
    works = [_check.function("works", work, "functions without arguments") for work in works]
    rounds = range(_check.integer("rounds", rounds))
    return np.min([[milliseconds(work) for work in works] for _ in rounds], axis=0)
