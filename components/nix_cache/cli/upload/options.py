"""How a push uploads. Environment variables are for hooks, which have no options."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from nix_cache.cli.errors import UsageError
from nix_cache.cli.options import JOBS
from nix_cache.formats.manifest import LARGEST_PART_MIB, SMALLEST_PART_MIB, Manifest

PART_SIZE_VARIABLE = "NIX_CACHE_PART_SIZE"
LIMIT_RATE_VARIABLE = "NIX_CACHE_LIMIT_RATE"

_RATE = re.compile(r"([0-9]{1,12})([kKmMgG]?)")
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True)
class Further:
    """What is uploaded beside store paths and realisations.

    Attributes:
        logs: build logs.
        listings: a listing of the files of each path, ``HASH.ls``.
        debug_info: an index of debug info files by build id.
    """

    logs: bool = False
    listings: bool = False
    debug_info: bool = False

    @property
    def needs_listing(self) -> bool:
        """Whether the files of each path have to be listed."""
        return self.listings or self.debug_info


@dataclass(frozen=True)
class UploadOptions:
    """How a push uploads.

    Attributes:
        jobs: the most requests at a time.
        part_bytes: larger files are put in parts of this size; None for the size that the cache
            chooses, or that suits the file.
        bytes_per_second: how fast NARs are sent; None for no limit.
        has_events: whether progress is printed for programs.
        further: what is uploaded beside store paths.
        leaves_to_upstreams: whether paths that an upstream cache has are left to it.
        asks_upstreams: whether upstream caches are asked for that, in place of trusting the
            signatures in the local store.
        repairs: whether the paths that are named are uploaded again, and all others are if their
            NAR is missing or has the wrong size, or readers refuse them.
    """

    jobs: int = JOBS
    part_bytes: int | None = None
    bytes_per_second: int | None = None
    has_events: bool = False
    further: Further = field(default_factory=Further, kw_only=True)
    leaves_to_upstreams: bool = True
    asks_upstreams: bool = False
    repairs: bool = field(default=False, kw_only=True)

    @classmethod
    def of(
        cls,
        *,
        jobs: int = JOBS,
        part_size: str | None = None,
        limit_rate: str | None = None,
        has_events: bool = False,
        leaves_to_upstreams: bool = True,
        asks_upstreams: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """Read the options of a command, or else the environment.

        Args:
            jobs: the most requests at a time.
            part_size: in MiB; None if it was not given.
            limit_rate: as in ``500k``; None if it was not given.
            has_events: whether progress is printed for programs.
            leaves_to_upstreams: whether paths that an upstream cache has are left to it.
            asks_upstreams: whether upstream caches are asked for that.
            environment: the process's.

        Raises:
            UsageError: a value has an invalid format.
        """
        part, rate = _Given("--part-size", part_size), _Given("--limit-rate", limit_rate)
        if part.text is None:
            part = _Given(PART_SIZE_VARIABLE, environment.get(PART_SIZE_VARIABLE) or None)
        if rate.text is None:
            rate = _Given(LIMIT_RATE_VARIABLE, environment.get(LIMIT_RATE_VARIABLE) or None)
        return cls(
            jobs, _part_bytes(part), _rate(rate), has_events, leaves_to_upstreams, asks_upstreams
        )

    def part_bytes_of(self, manifest: Manifest) -> int | None:
        """Return the size of parts that was chosen here or for the cache; None if none was."""
        return self.part_bytes or (manifest.part_size_mib << 20) or None


@dataclass(frozen=True)
class _Given:
    name: str
    text: str | None


def _part_bytes(given: _Given) -> int | None:
    if given.text is None:
        return None
    number = int(given.text) if re.fullmatch("[0-9]{1,6}", given.text) else 0
    if not SMALLEST_PART_MIB <= number <= LARGEST_PART_MIB:
        raise UsageError(
            f"{given.name} {given.text!r} is not a size in MiB from {SMALLEST_PART_MIB} to "
            f"{LARGEST_PART_MIB}",
            "give a whole number, such as 8 behind a proxy that accepts 10 MB",
        )
    return number << 20


def _rate(given: _Given) -> int | None:
    if given.text is None:
        return None
    found = _RATE.fullmatch(given.text)
    rate = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if rate < 1000:
        raise UsageError(
            f"{given.name} {given.text!r} is not a rate of at least 1k",
            "give whole bytes per second, such as 500k or 2M",
        )
    return rate
