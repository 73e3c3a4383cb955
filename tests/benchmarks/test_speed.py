"""The race itself; speeds are measured by `reverie bench`, never by tests."""

import os
import time

import pytest

from reverie.benchmarks import speed


def test_contestants_take_turns():
    calls = []
    rates = {"a": iter([1.0, 10.0, 20.0, 30.0]), "b": iter([1.0, 5.0, 5.0, 5.0])}

    def contestant(name: str) -> speed.Round:
        def turn(seconds: float) -> float:
            calls.append((name, seconds))
            return next(rates[name])

        return turn

    found = speed.race({n: contestant(n) for n in "ab"}, rounds=3, seconds=7, unit="x/s", quiet=True)
    assert calls == [("a", 1.0), ("b", 1.0)] + 3 * [("a", 7), ("b", 7)]
    assert found == {"a": (10, 20, 30), "b": (5, 5, 5)}


def test_the_clock_does_not_count_what_it_is_stopped_for(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = speed.Clock()
    clock.start(3.0)
    now[0] += 2
    clock.count(10)
    with clock.stopped():
        now[0] += 50
    assert clock.running
    now[0] += 2
    clock.count(10)
    assert not clock.running
    assert clock.rate == 5


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot hold a process on a core")
def test_cores_are_given_back():
    before = os.sched_getaffinity(0)
    with speed.on_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
