"""How a push uploads. Environment variables are for hooks, which have no options."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from nix_cache.cli.errors import UsageError
from nix_cache.cli.options import JOBS

PART_SIZE_VARIABLE = "NIX_CACHE_PART_SIZE"
LIMIT_RATE_VARIABLE = "NIX_CACHE_LIMIT_RATE"

PART_MEGABYTES = 16
SMALLEST_PART_MEGABYTES = 6
"""S3 wants 5 MiB, which is more than 5 MB."""

_LARGEST_PART_MEGABYTES = 5000
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
        part_bytes: larger files are put in parts of this size.
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
    part_bytes: int = PART_MEGABYTES * 10**6
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
            part_size: in MB; None if it was not given.
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


@dataclass(frozen=True)
class _Given:
    name: str
    text: str | None


def _part_bytes(given: _Given) -> int:
    if given.text is None:
        return PART_MEGABYTES * 10**6
    number = int(given.text) if re.fullmatch("[0-9]{1,6}", given.text) else 0
    if not SMALLEST_PART_MEGABYTES <= number <= _LARGEST_PART_MEGABYTES:
        raise UsageError(
            f"{given.name} {given.text} is not a size in MB from {SMALLEST_PART_MEGABYTES} to "
            f"{_LARGEST_PART_MEGABYTES}",
            f"give a whole number, such as {SMALLEST_PART_MEGABYTES} behind a proxy that accepts "
            "10 MB",
        )
    return number * 10**6


def _rate(given: _Given) -> int | None:
    if given.text is None:
        return None
    found = _RATE.fullmatch(given.text)
    rate = int(found[1]) * _UNITS[found[2].lower()] if found else 0
    if rate < 1000:
        raise UsageError(
            f"{given.name} {given.text} is not a rate of at least 1k",
            "give bytes per second, such as 500k or 2M",
        )
    return rate
