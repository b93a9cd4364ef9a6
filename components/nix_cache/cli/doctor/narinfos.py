"""Narinfos and their NARs: whether Nix takes them, and what of them was looked at."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from nix_cache.cli.doctor.contents import FIND_READER, NO_READER
from nix_cache.cli.doctor.faults import Fault, findings
from nix_cache.cli.doctor.finding import Finding, Level, not_checked, ok
from nix_cache.cli.doctor.path_check import Examined, Looked, PathCheck
from nix_cache.cli.doctor.paths import Candidates, Wanted, candidates
from nix_cache.cli.doctor.subject import WORKERS, Subject
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.hosts import NoAnswerError

_BATCH = 64
_ASKED_PER_WANTED = 50
"""How many paths of the local store are tried for each that is wanted: most are of elsewhere."""

_WHAT_IS_OK = {
    Looked.SIZE: "and a NAR of the stated FileSize, which was not read",
    Looked.CONTENT: "and a NAR of the stated NarHash and NarSize, which was read",
}


def paths(subject: Subject, wanted: Wanted) -> Iterator[Finding]:
    """Yield whether paths of the cache are what reading machines accept."""
    client = subject.reading
    if client is None:
        yield not_checked("narinfos and NARs", NO_READER, FIND_READER)
        return
    known = candidates(subject, wanted)
    seen = _all_examined(subject, client, known, wanted)
    if not seen and known.is_whole:
        yield ok("the cache has no paths yet")
        return
    if not seen:
        yield not_checked(
            "narinfos and NARs",
            f"no path of the cache is known from {known.origin}",
            "name paths with --paths-from, or a profile of the bucket's owner with --owner",
        )
        return
    faults: dict[Fault, list[str]] = defaultdict(list)
    for examined in seen:
        for fault, detail in examined.faults:
            faults[fault].append(detail)
    for fault, detail in _open_references(subject, client, seen):
        faults[fault].append(detail)
    yield from _verified(seen, known)
    yield from findings(faults)


def _verified(seen: Sequence[Examined], known: Candidates) -> Iterator[Finding]:
    """Yield what is well, each path by what was looked at."""
    good = [
        examined.looked
        for examined in seen
        if all(fault.value.level is Level.WARNING for fault, _ in examined.faults)
    ]
    for looked, count in sorted(Counter(good).items(), key=lambda item: item[0].name):
        if looked in _WHAT_IS_OK:
            yield ok(
                f"{count} of {len(seen)} paths from {known.origin} have a signature by a trusted "
                f"key or a content address that needs none, {_WHAT_IS_OK[looked]}"
            )


def _all_examined(
    subject: Subject, client: S3Client, known: Candidates, wanted: Wanted
) -> list[Examined]:
    """As many as are wanted, or all. Of paths that need not exist, those that do."""
    check = PathCheck(subject.manifest, client, deep=wanted.deep)
    hashes, seen = known.hashes, list[Examined]()
    count = len(hashes) if known.must_exist or wanted.count is None else wanted.count
    tries = len(hashes) if known.must_exist else count * _ASKED_PER_WANTED
    for start in range(0, min(tries, len(hashes)), _BATCH):
        batch = hashes[start : start + _BATCH]
        for _, examined in in_parallel(check.examined, batch, WORKERS):
            if (known.must_exist or not examined.is_absent) and len(seen) < count:
                seen.append(examined)
            subject.progress(f"{len(seen)} of {count} paths")
        if len(seen) >= count:
            break
    return sorted(seen, key=lambda examined: examined.store_hash)


def _open_references(
    subject: Subject, client: S3Client, seen: Sequence[Examined]
) -> Iterator[tuple[Fault, str]]:
    """Yield the paths whose references are not all in the cache, or not known to be."""
    there = {examined.store_hash for examined in seen if not examined.is_absent}
    infos = [examined.narinfo for examined in seen if examined.narinfo]
    asked = sorted({name for info in infos for name in info.references if name[:32] not in there})
    subject.progress(f"{len(asked)} references")
    upstreams = tuple(subject.manifest.upstreams)
    faults = dict(
        in_parallel(lambda name: _reference_fault(client, upstreams, name), asked, WORKERS)
    )
    for info in infos:
        for fault in (Fault.REFERENCE_ABSENT, Fault.REFERENCE_NOT_CHECKED):
            if names := [name for name in info.references if faults.get(name) is fault]:
                yield fault, f"{info.store_path}: {', '.join(names)}"


def _reference_fault(client: S3Client, upstreams: Sequence[str], name: str) -> Fault | None:
    """Look for the narinfo of a reference, in the cache and then in its upstream caches.

    Only what Nix takes as missing is absent.
    """
    statuses = []
    for cache in (client, *(client.anonymous_at(url) for url in upstreams)):
        try:
            statuses.append(cache.request("HEAD", f"{name[:32]}.narinfo").status)
        except (NoAnswerError, ClientError):
            statuses.append(0)
        if statuses[-1] == 200:
            return None
    is_absent = all(status in {403, 404} for status in statuses)
    return Fault.REFERENCE_ABSENT if is_absent else Fault.REFERENCE_NOT_CHECKED
