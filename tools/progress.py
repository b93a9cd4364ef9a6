"""Where long work reports its progress."""

import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

LOG_SECONDS = 15.0


class BuildProgress(Protocol):
    """Where long work reports its progress."""

    def step(self, text: str) -> None:
        """Begin a new step."""

    def update(self, done: int, total: int, text: str) -> None:
        """Report `done` of `total` (0 when unknown) of the step; about once a second."""

    def done(self, text: str) -> None:
        """End the step after its success."""


class PlainProgress:
    """Progress as lines of a log, one every `LOG_SECONDS` while a step lasts."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._last = clock()

    def _say(self, text: str) -> None:
        self._last = self._clock()
        print(text, file=self._stream, flush=True)

    def step(self, text: str) -> None:
        """Print the step's name."""
        self._say(text)

    def update(self, done: int, total: int, text: str) -> None:
        """Print where the step is, unless something was printed a moment ago."""
        if self._clock() - self._last >= LOG_SECONDS:
            self._say(f"  {done}/{total} {text}" if total else f"  {text}")

    def done(self, text: str) -> None:
        """Print how the step ended."""
        self._say(text)
