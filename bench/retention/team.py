"""A team's packages as they change from day to day. Deterministic for one seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from nix_cache.iam.lifecycle import NIX32

PACKAGES = 40
"""The packages that the team builds by itself, beside the system that has all of them."""

_TOOLS = 8
"""Packages at the bottom, such as a patched compiler: they change about every second year."""

_TOOL_CHANGE = 1 / 700
_PACKAGE_CHANGE = (1 / 90, 1 / 20)
"""The chance of a change on a day, from the slowest to the fastest package above the tools."""

_LONE_TOOL_CHANGE = 1 / 300
_MOST_REFERENCES = 3
_MEDIAN_NAR_BYTES = 400_000
_SPREAD = 1.6
"""Of the logarithm of NAR sizes. The mean is 3.6 times the median."""


@dataclass(frozen=True, slots=True)
class StorePath:
    """One build.

    Attributes:
        hash: of the store path.
        nar_bytes: the size of its compressed NAR.
        references: the hashes of the paths that it refers to.
    """

    hash: str
    nar_bytes: int
    references: tuple[str, ...]

    @property
    def narinfo_key(self) -> str:
        """The key of its narinfo."""
        return f"{self.hash}.narinfo"

    @property
    def nar_key(self) -> str:
        """The key of its NAR."""
        return f"nar/{self.hash}.nar.zst"


Closure = tuple[StorePath, ...]
"""A path with all that it needs, references first. The path itself is the last one."""


@dataclass(frozen=True, slots=True)
class DailyPush:
    """What the team pushes on one day.

    Attributes:
        system: the closure of the system.
        tool: the closure of a tool that the system does not need, and that changes rarely.
    """

    system: Closure
    tool: Closure


class Team:
    """Packages in layers: each refers to packages before it, and a change rebuilds dependents.

    Args:
        seed: of all random choices.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311  # not for secrets
        slow, fast = _PACKAGE_CHANGE
        above = PACKAGES - _TOOLS
        self._chances = [_TOOL_CHANGE] * _TOOLS + [
            slow + (fast - slow) * number / above for number in range(above)
        ]
        self._references = [
            self._random.sample(
                range(number), min(number, self._random.randint(1, _MOST_REFERENCES))
            )
            for number in range(PACKAGES)
        ]
        self._medians = [
            self._random.lognormvariate(0, _SPREAD) * _MEDIAN_NAR_BYTES for _ in range(PACKAGES)
        ]
        self._builds: list[StorePath] = []
        self._build(set(range(PACKAGES)))
        self._tool = self._new(_MEDIAN_NAR_BYTES, ())

    def days(self) -> Iterator[DailyPush]:
        """Yield what is pushed on each day, without an end."""
        while True:
            yield DailyPush((*self._builds, self._system), (self._tool,))
            chances = enumerate(self._chances)
            self._build({number for number, chance in chances if self._random.random() < chance})
            if self._random.random() < _LONE_TOOL_CHANGE:
                self._tool = self._new(_MEDIAN_NAR_BYTES, ())

    def _build(self, changed: set[int]) -> None:
        before, self._builds = self._builds, []
        rebuilt: set[int] = set()
        for number, references in enumerate(self._references):
            if number in changed or not rebuilt.isdisjoint(references):
                rebuilt.add(number)
                needed = tuple(self._builds[other].hash for other in references)
                self._builds.append(self._new(self._medians[number], needed))
            else:
                self._builds.append(before[number])
        if rebuilt:
            self._system = self._new(50_000, tuple(path.hash for path in self._builds))

    def _new(self, nar_bytes: float, references: tuple[str, ...]) -> StorePath:
        name = "".join(self._random.choices(NIX32, k=32))
        return StorePath(name, max(200, round(nar_bytes)), references)
