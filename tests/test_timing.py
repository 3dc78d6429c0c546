"""timing.py: a clock that a test moves; no test here asserts a real time."""

import numpy as np
import pytest

from attnlib import timing


@pytest.fixture
def clock(monkeypatch):
    """Its work moves the clock, each run by the next of its seconds."""

    class Clock:
        now, calls = 100.0, ()

        def work(self, name, *seconds):
            left = list(seconds)

            def run():
                self.now += left.pop(0)
                self.calls = (*self.calls, name)

            return run

    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock.now)
    return clock


def test_milliseconds_are_those_between_begin_and_end(clock):
    assert timing.milliseconds(clock.work("a", 0.25)) == pytest.approx(250)
    assert clock.calls == ("a",)


def test_the_fastest_of_several_rounds_in_turns(clock):
    works = clock.work("a", 0.3, 0.1, 0.2), clock.work("b", 0.02, 0.04, 0.03)
    np.testing.assert_allclose(timing.fastest(*works, rounds=3), [100, 20])
    assert clock.calls == ("a", "b") * 3


def test_what_the_work_raises_is_raised_and_rounds_are_counted():
    with pytest.raises(ZeroDivisionError):
        timing.milliseconds(lambda: 1 / 0)
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        timing.fastest(print, rounds=0)
