import math

import pytest

from dashf.common.clock import ENDLESS, LEAST_S, Clock, OutOfTime


@pytest.fixture
def now(monkeypatch):
    time = [100.0]
    monkeypatch.setattr("dashf.common.clock.time.perf_counter", lambda: time[0])
    return time


def test_it_raises_when_its_time_is_over(now):
    clock = Clock.limited(2.0)
    assert clock.limits
    assert clock.left_s == 2.0
    now[0] = 101.5
    clock.check()
    assert clock.passed_s == 1.5
    now[0] = 102.0
    with pytest.raises(OutOfTime):
        clock.check()


def test_a_part_ends_earlier(now):
    clock = Clock.limited(2.0)
    now[0] = 101.0
    half = clock.part(0.5)
    assert half.end == 101.5
    assert half.start == 100.0


def test_without_a_limit_it_never_ends():
    clock = Clock.limited(None)
    assert not clock.limits
    assert clock.left_s == math.inf
    clock.check()
    assert ENDLESS.part(0.1) is ENDLESS


def test_the_shortest_limit(now):
    assert Clock.limited(1e-6).left_s == pytest.approx(LEAST_S)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan, "1", True])
def test_a_wrong_limit_is_refused(limit):
    with pytest.raises(ValueError, match="`time_limit_s` must"):
        Clock.limited(limit)
