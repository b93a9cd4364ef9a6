"""How fast something goes on, and how long it still takes, in words."""

import time
from collections.abc import Callable

_SETTLED_SECONDS = 2.0
"""Before this time, a rate says little."""

_MINUTE, _HOUR = 60, 3600


class Pace:
    """The pace of some work.

    Args:
        total: how many items there are.
        clock: the time in seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._began = clock()

    def words(self, verb: str, count: int, things: str) -> str:
        """Return how far it is: ``read 2,000 of 9,000 narinfos (500 a second, 14 s left)``.

        Args:
            verb: what is done with each item, in the past tense.
            count: how many are done.
            things: what the items are.
        """
        said = f"{verb} {count} of {self._total} {things}"
        seconds = self._clock() - self._began
        if seconds < _SETTLED_SECONDS or not count:
            return said
        rate = count / seconds
        return f"{said} ({_number(rate)} a second, {_time((self._total - count) / rate)} left)"


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _time(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
