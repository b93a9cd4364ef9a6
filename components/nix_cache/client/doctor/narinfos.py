"""Narinfos and their NARs: readable, signed by a trusted key, complete, and as they say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from nix_cache.client.doctor.contents import FIND_READER, NO_READER
from nix_cache.client.doctor.door import WORKERS, Answer, Door
from nix_cache.client.doctor.faults import Fault, findings
from nix_cache.client.doctor.finding import Finding, not_checked, ok
from nix_cache.client.doctor.nar import CannotDecompressError, NarError, measure
from nix_cache.client.doctor.paths import Wanted, candidates
from nix_cache.client.doctor.subject import Subject
from nix_cache.narinfo import Narinfo, NarinfoError
from nix_cache.narinfo_trust import Distrust, distrust, signers

_BATCH = 64
_ASKED_PER_WANTED = 50
"""How many paths of the local store are tried for each that is wanted: most are of elsewhere."""


@dataclass
class Examined:
    """What was found about one path.

    Attributes:
        store_hash: its hash.
        narinfo: what the cache says of it; None if that is missing or unreadable.
        faults: what is wrong, each with details.
    """

    store_hash: str
    narinfo: Narinfo | None = None
    faults: list[tuple[Fault, str]] = field(default_factory=list)

    @property
    def is_absent(self) -> bool:
        """Whether the cache does not have it."""
        return any(fault is Fault.ABSENT for fault, _ in self.faults)


def paths(subject: Subject, wanted: Wanted) -> Iterator[Finding]:
    """Whether paths of the cache are what reading machines accept."""
    door = subject.reading
    if door is None:
        yield not_checked("narinfos and NARs", NO_READER, FIND_READER)
        return
    known = candidates(subject, wanted)
    with ThreadPoolExecutor(WORKERS) as workers:
        seen = _all_examined(subject, door, known.hashes, wanted, known.must_exist, workers)
        faults: dict[Fault, list[str]] = defaultdict(list)
        for examined in seen:
            for fault, detail in examined.faults:
                faults[fault].append(detail)
        for referrer, missing in _open_references(subject, door, seen, workers):
            faults[Fault.REFERENCE_ABSENT].append(f"{referrer}: {', '.join(missing)}")
    if not seen and known.is_whole:
        yield ok("there is no path in the cache yet")
        return
    if not seen:
        yield not_checked(
            "narinfos and NARs",
            f"no path of the cache is known from {known.origin}",
            "name paths with --paths-from, or a profile of the bucket's owner with --owner",
        )
        return
    good = sum(not examined.faults for examined in seen)
    if good:
        content = "content" if wanted.deep else "size"
        yield ok(
            f"{good} of {len(seen)} paths from {known.origin} are signed by a trusted key, and "
            f"their NARs have the stated {content}"
        )
    yield from findings(faults)


def _all_examined(
    subject: Subject,
    door: Door,
    hashes: Sequence[str],
    wanted: Wanted,
    must_exist: bool,
    workers: ThreadPoolExecutor,
) -> list[Examined]:
    """As many as are wanted, or all. Of paths that need not exist, those that do."""
    seen: list[Examined] = []
    count = len(hashes) if must_exist or wanted.count is None else wanted.count
    tries = len(hashes) if must_exist else count * _ASKED_PER_WANTED
    for start in range(0, min(tries, len(hashes)), _BATCH):
        batch = hashes[start : start + _BATCH]
        for examined in workers.map(lambda one: _examined(subject, door, one, wanted.deep), batch):
            if (must_exist or not examined.is_absent) and len(seen) < count:
                seen.append(examined)
            subject.progress(f"{len(seen)} of {count} paths")
        if len(seen) >= count:
            break
    return seen


def _examined(subject: Subject, door: Door, store_hash: str, deep: bool) -> Examined:
    examined = Examined(store_hash)
    answer = door.request("GET", f"{store_hash}.narinfo")
    if answer.status in {403, 404}:
        examined.faults.append((Fault.ABSENT, store_hash))
        return examined
    if answer.status != 200:
        examined.faults.append((Fault.UNREADABLE, f"{store_hash}: answered {answer}"))
        return examined
    try:
        narinfo = Narinfo.parse(answer.body)
    except NarinfoError as mistake:
        examined.faults.append((Fault.UNREADABLE, f"{store_hash}: {mistake}"))
        return examined
    examined.narinfo = narinfo
    if narinfo.base_name[:32] != store_hash or narinfo.store_dir != subject.description.store_dir:
        examined.faults.append((Fault.MISPLACED, f"{store_hash}: {narinfo.store_path}"))
        return examined
    examined.faults += _signature_faults(narinfo, subject.description.public_keys)
    examined.faults += _nar_faults(narinfo, door, deep)
    return examined


def _signature_faults(narinfo: Narinfo, public_keys: Sequence[str]) -> Iterator[tuple[Fault, str]]:
    if reason := distrust(narinfo, public_keys):
        details = [narinfo.store_path, *filter(None, [signers(narinfo)])]
        yield _DISTRUST[reason], ": ".join(details)


_DISTRUST = {
    Distrust.UNSIGNED: Fault.UNSIGNED,
    Distrust.UNKNOWN_KEY: Fault.UNKNOWN_KEY,
    Distrust.BAD_SIGNATURE: Fault.BAD_SIGNATURE,
    Distrust.MALFORMED_SIGNATURE: Fault.MALFORMED_SIGNATURE,
    Distrust.UNUSABLE_ADDRESS: Fault.UNUSABLE_ADDRESS,
}


def _nar_faults(narinfo: Narinfo, door: Door, deep: bool) -> Iterator[tuple[Fault, str]]:
    path = narinfo.store_path
    answer = door.request("HEAD", narinfo.url)
    if answer.status != 200:
        yield Fault.NAR_ABSENT, f"{path}: {narinfo.url} is answered {answer.status}"
        return
    size = _length(answer)
    if None not in (size, narinfo.file_size) and size != narinfo.file_size:
        yield Fault.NAR_SIZE, f"{path}: {size} bytes, stated are {narinfo.file_size}"
    elif deep:
        yield from _content_faults(narinfo, door)


def _content_faults(narinfo: Narinfo, door: Door) -> Iterator[tuple[Fault, str]]:
    path = narinfo.store_path
    try:
        with door.streamed(narinfo.url) as stored:
            found = measure(stored, narinfo.compression, narinfo.nar_size)
    except CannotDecompressError as reason:
        yield Fault.NOT_DECOMPRESSED, f"{path}: {reason}"
        return
    except NarError as reason:
        yield Fault.NAR_CONTENT, f"{path}: it is no {narinfo.compression}: {reason}"
        return
    differences = []
    if narinfo.file_hash is not None and found.file_hash != narinfo.file_hash:
        differences.append("FileHash")
    if found.nar_size != narinfo.nar_size:
        differences.append("NarSize")
    if found.nar_hash != narinfo.nar_hash:
        differences.append("NarHash")
    if differences:
        yield Fault.NAR_CONTENT, f"{path}: another {', '.join(differences)}"


def _open_references(
    subject: Subject, door: Door, seen: Iterable[Examined], workers: ThreadPoolExecutor
) -> Iterator[tuple[str, list[str]]]:
    """The paths whose references are not all in the cache, with those that are not."""
    there = {examined.store_hash for examined in seen if not examined.is_absent}
    infos = [examined.narinfo for examined in seen if examined.narinfo]
    asked = sorted({name for info in infos for name in info.references if name[:32] not in there})
    subject.progress(f"{len(asked)} references")
    answers = workers.map(lambda name: door.request("HEAD", f"{name[:32]}.narinfo"), asked)
    absent = {name for name, answer in zip(asked, answers, strict=True) if answer.status != 200}
    for info in infos:
        if missing := [name for name in info.references if name in absent]:
            yield info.store_path, missing


def _length(answer: Answer) -> int | None:
    text = answer.headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None
