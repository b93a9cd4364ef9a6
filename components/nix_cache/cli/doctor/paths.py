"""Which store paths a cache may have: named, listed, remembered by Nix, or of the local store."""

import contextlib
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.nix import program
from nix_cache.cli.nix.lookup_memory import memories
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.listing import checked_pages

_NARINFO_KEY = re.compile(r"([0-9a-df-np-sv-z]{32})\.narinfo")


@dataclass(frozen=True)
class Wanted:
    """Which narinfos are looked at.

    Attributes:
        count: how many at most; None for all.
        named: the hashes of paths that have to be there; None if none were named.
        deep: whether NARs are read to the end.
    """

    count: int | None
    named: tuple[str, ...] | None = None
    deep: bool = False


@dataclass(frozen=True)
class Candidates:
    """Paths to ask for.

    Attributes:
        hashes: their hashes, in the order in which they are asked for.
        origin: where they are known from, for messages.
        must_exist: whether each has to be in the cache.
        is_whole: whether there are no others in the cache than those that these were taken from.
    """

    hashes: tuple[str, ...]
    origin: str
    must_exist: bool
    is_whole: bool = False


def candidates(subject: Subject, wanted: Wanted) -> Candidates:
    """Return the paths to ask for, from the best source that there is.

    Raises:
        StorageError: the owner may not list.
    """
    if wanted.named is not None:
        return Candidates(wanted.named, "those named", must_exist=True)
    if subject.as_owner is not None:
        hashes = _sampled(listed(subject, subject.as_owner), wanted.count)
        return Candidates(hashes, "the bucket", must_exist=True, is_whole=wanted.count != 0)
    known = dict.fromkeys([*_shuffled(remembered(subject)), *_shuffled(in_local_store(subject))])
    return Candidates(tuple(known), "this machine's Nix", must_exist=False)


def listed(subject: Subject, owner: S3Client) -> Iterator[str]:
    """Yield the hashes of all narinfos in the bucket, which its owner may list."""
    count = 0
    # Nothing but narinfos and their like lies outside of folders.
    for page in checked_pages(owner.pages(delimiter="/"), subject.manifest.bucket):
        for entry in page.objects:
            if found := _NARINFO_KEY.fullmatch(entry.key):
                count += 1
                yield found[1]
        subject.progress(f"{count} narinfos listed")


def remembered(subject: Subject) -> list[str]:
    """Return the hashes of the paths that Nix found in this cache, as it remembers."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for memory in memories(subject.environment):
            answers = memory.answers(subject.manifest.read_url)
            found += (answer.store_hash for answer in answers if answer.is_present)
    return found


def in_local_store(subject: Subject) -> list[str]:
    """Return the hashes of the paths in the local store; none without a Nix."""
    paths = program.output([*program.NIX, "path-info", "--all"], subject.environment)
    return [] if paths is None else [path.rpartition("/")[2][:32] for path in paths.split()]


def _shuffled(hashes: Iterable[str]) -> list[str]:
    mixed = list(hashes)
    random.shuffle(mixed)
    return mixed


def _sampled(hashes: Iterable[str], count: int | None) -> tuple[str, ...]:
    """All, or as many as wanted of all, each with the same chance."""
    everything = list(hashes)
    if count is None or count >= len(everything):
        return tuple(everything)
    return tuple(random.sample(everything, count))
