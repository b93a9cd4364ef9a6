"""What is fuzzed: a parser, what must hold of it for any input, and inputs to start from."""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

REGRESSIONS = Path(__file__).parent / "regressions"
"""One folder for each target, with inputs that failed once. Each is replayed by every run."""

MOST_SECONDS = 5.0
"""Processor time for one input. Inputs are small, so a parser takes milliseconds."""

MOST_BYTES = 300_000_000
"""By how much one input may raise the highest memory use of the process."""


class Shape(Enum):
    """How inputs are built up, and so how they are mutated."""

    BYTES = "bytes"
    LINES = "lines of text"
    JSON = "JSON"
    XML = "XML"


@dataclass(frozen=True)
class Target:
    """A parser under test.

    Attributes:
        name: of the target, and of its folder of regressions.
        check: tries one input. It returns whether the parser accepted it, and raises AssertionError
            if something does not hold, or lets an undocumented error of the parser through.
        seeds: valid inputs, each of which the parser accepts.
        shape: how inputs are built up.
        tokens: pieces of text that mean something to the parser.
    """

    name: str
    check: Callable[[bytes], bool]
    seeds: Sequence[bytes]
    shape: Shape = Shape.LINES
    tokens: Sequence[bytes] = field(default=())

    @property
    def folder(self) -> Path:
        """Where its regressions are."""
        return REGRESSIONS / self.name

    def regressions(self) -> list[Path]:
        """Return its regressions, by name."""
        return sorted(self.folder.glob("*")) if self.folder.is_dir() else []

    def try_input(self, data: bytes) -> bool:
        """Check one input, and what that takes.

        Raises:
            AssertionError: something does not hold, or it took too much time or memory.
        """
        started, memory = time.process_time(), _highest_memory()
        accepted = self.check(data)
        seconds, grown = time.process_time() - started, _highest_memory() - memory
        assert seconds < MOST_SECONDS, f"one input took {seconds:.1f} s of processor time"
        assert grown < MOST_BYTES, f"one input took {grown:,} bytes of memory"
        return accepted


def _highest_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
