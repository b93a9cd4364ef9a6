"""`nix-cache gc` on generated caches, with faults and pushes between its requests.

Each scenario is judged by an evaluator that shares no code with `gc`: what kept paths need is there
afterwards, and what was pushed meanwhile is whole, or is reported as
docs/operations/garbage-collection.md describes.
"""

import bz2
import gzip
import itertools
import lzma
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import brotli
import zstandard
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.ledger import LEDGER_KEY, ledger_content
from nix_cache.formats.cache_info import INFO_KEY
from tests.unit.cli.collected_cache import (
    CollectedCache,
    Done,
    base_name,
    collected_cache,
    nar_key,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import Answer, Held, S3Double, missing
from tests.unit.nix_evaluator import closure, needed_by

PATHS, NARS = 7, 5
OLDER_THAN = timedelta(days=30)
AGES = st.sampled_from([0.5, 29, 31, 99, 99]).map(lambda days: timedelta(days=days))
NOTED = st.sampled_from([0, 5, 29, 31, 99, -5, -4000, 15_000]).map(
    lambda days: timedelta(days=days)
)

ENCODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "br": brotli.compress,
    "bzip2": bz2.compress,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}

URLS: tuple[Callable[[str], str], ...] = (
    lambda key: f"./{key}",
    lambda key: f"/{key}",
    lambda key: key.replace("nar/", "nar//"),
    lambda key: key.replace("nar/", "nar/./"),
    lambda key: key.replace("nar/", "nar/x/../"),
    lambda key: key.replace(".", "%2e"),
    lambda key: key.replace("/", "%2F"),
    lambda key: f"{key}?hash=1&x=/y",
    lambda key: f"{key}#here",
    lambda key: f"https://cache.example.org/demo/{key}",
    lambda key: f"https://cdn.example.org/{key}",
)
"""Spellings of a NAR's URL besides its key."""


def _with_body(content: bytes, answer: Answer) -> Answer:
    return Answer(200, {**answer.headers, "Content-Length": str(len(content))}, content)


def _cut(answer: Answer) -> Answer:
    return _with_body(answer.body[:-1].partition(b"References")[0], answer)


def _older(answer: Answer) -> Answer:
    """Return what a cache before the storage may still have: without references, as a whole."""
    return _with_body(re.sub(rb"References: .*", b"References: ", answer.body), answer)


def _other_version(answer: Answer) -> Answer:
    """Another version of the same length."""
    if b"References" not in answer.body:
        return answer
    head, name, rest = answer.body.partition(b"References: ")
    other = re.sub(rb"[0-9a-z]{32}-path", base_name(20).encode(), rest)
    return Answer(200, {**answer.headers, "ETag": '"0"'}, head + name + other)


def _without_encoding(answer: Answer) -> Answer:
    headers = {name: value for name, value in answer.headers.items() if "Enc" not in name}
    return Answer(answer.status, headers, answer.body)


FAULTS: Mapping[str, Callable[[Answer], Answer]] = {
    "missing": lambda _: missing(),
    "forbidden": lambda _: Answer(403, {"Content-Length": "0"}),
    "gone": lambda _: Answer(410, {"Content-Length": "0"}),
    "empty": lambda answer: _with_body(b"", answer),
    "html": lambda answer: _with_body(b"<html></html>".ljust(len(answer.body)), answer),
    "cut": _cut,
    "older": _older,
    "other version": _other_version,
    "another": lambda answer: _with_body(
        narinfo(20)[: len(answer.body) - 1].ljust(len(answer.body) - 1) + b"\n", answer
    ),
    "longer": lambda answer: _with_body(answer.body + b"X: y\n", answer),
    "unknown encoding": lambda answer: Answer(
        200, {**answer.headers, "Content-Encoding": "lz4"}, answer.body
    ),
    "etag": lambda answer: Answer(200, {**answer.headers, "ETag": '"0"'}, answer.body),
    "no encoding": _without_encoding,
}
"""What may happen to the answer to reading a narinfo."""

LIKELY_FAULTS = ("missing", "missing", "older", "other version", "other version", "other version")
"""Those that only one of several checks finds."""

DATES = ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", "", None)


@dataclass(frozen=True)
class StoredPath:
    """A store path that a cache may have.

    Attributes:
        references: the numbers of other paths.
        nar: the number of its NAR, which others may share.
        url: the spelling of its NAR's URL.
        encoding: its narinfo's Content-Encoding.
        age: since when it is there; None if it is not.
        nar_age: since when its NAR is there, likewise.
    """

    references: frozenset[int]
    nar: int
    url: str
    encoding: str
    age: timedelta | None
    nar_age: timedelta | None


@dataclass(frozen=True)
class Scenario:
    """A cache, and what happens while it is collected.

    Attributes:
        paths: the store paths, each of which refers to earlier ones only.
        leftovers: NARs that nothing names, by number, with their age.
        noted: since when NARs are noted to be orphans, as ages.
        stored_broken: paths whose narinfos are stored cut off.
        faults: by path, what happens to reading its narinfo, and how often.
        dates: by path, what listings state as the date of its narinfo and its NAR.
        unlisted: paths that listings leave out.
        roots: paths that are named to stay.
        set_aside: paths that are set aside.
        grace_days: of NARs.
        skews: by how much the dates of answers and of objects are wrong.
        pushes: paths that are pushed while it runs.
        schedule: before which requests each push does one step.
        page: how many objects a page of a listing has.
    """

    paths: tuple[StoredPath, ...]
    leftovers: Mapping[int, timedelta]
    noted: Mapping[int, timedelta]
    stored_broken: frozenset[int]
    faults: Mapping[int, tuple[str, int]]
    dates: Mapping[int, str | None]
    unlisted: frozenset[int]
    roots: tuple[int, ...]
    set_aside: frozenset[int]
    grace_days: int
    skews: tuple[timedelta, timedelta]
    pushes: tuple[int, ...]
    schedule: tuple[tuple[int, int], ...]
    page: int

    @property
    def is_faultless(self) -> bool:
        """Whether nothing is odd, so that exactly what is not needed has to go."""
        return not (
            self.stored_broken
            or self.faults
            or self.dates
            or self.unlisted
            or self.pushes
            or any(self.skews)
        )


KINDS = (
    "plain",
    "faults",
    "faults",
    "faults",
    "pushes",
    "pushes",
    "pushes",
    "dates",
    "clocks",
    "all",
)
NUMBERS = st.integers(0, PATHS - 1)
SKEWS = st.sampled_from([-3650, -3650, 3650, 0.02]).map(lambda days: timedelta(days=days))


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Any cache; each kind of fault in some of them, and all kinds in some."""
    kind = draw(st.sampled_from(KINDS))
    has_faults, has_dates = kind in {"faults", "all"}, kind in {"dates", "all"}
    has_pushes = kind in {"pushes", "all"}
    skews = [(draw(SKEWS), timedelta()), (timedelta(), draw(SKEWS))] if kind == "clocks" else []
    faults = st.tuples(st.sampled_from([*FAULTS, *LIKELY_FAULTS]), st.sampled_from([1, 1000, 1000]))
    few = st.sets(NUMBERS, max_size=1)
    faulty = draw(st.dictionaries(NUMBERS, faults, max_size=3)) if has_faults else {}
    pushes = draw(st.lists(NUMBERS, min_size=1, max_size=3)) if has_pushes else []
    return Scenario(
        paths=tuple(
            _path(draw, number, is_pushed=number in pushes, is_faulty=number in faulty)
            for number in range(PATHS)
        ),
        leftovers=draw(st.dictionaries(st.integers(0, NARS + 1), AGES, max_size=3)),
        noted=draw(st.dictionaries(st.integers(0, NARS + 1), NOTED)),
        stored_broken=frozenset(draw(few)) if has_faults else frozenset(),
        faults=faulty,
        dates=draw(st.dictionaries(NUMBERS, st.sampled_from(DATES))) if has_dates else {},
        unlisted=frozenset(draw(few)) if has_faults else frozenset(),
        roots=tuple(draw(st.lists(NUMBERS, max_size=2))) if kind != "pushes" else (),
        set_aside=frozenset(draw(st.sets(NUMBERS, max_size=3))) if has_faults else frozenset(),
        grace_days=draw(st.sampled_from([0, 30])),
        skews=draw(st.sampled_from(skews)) if skews else (timedelta(), timedelta()),
        pushes=tuple(pushes),
        schedule=tuple(
            (moment, which)
            for which in range(len(pushes))
            for moment in itertools.accumulate(
                draw(st.lists(st.sampled_from([0, 0, 0, 1, 3, 12]), min_size=8, max_size=12))
            )
        ),
        page=draw(st.sampled_from([3, 1000, 1000])),
    )


def _path(draw: st.DrawFn, number: int, *, is_pushed: bool, is_faulty: bool) -> StoredPath:
    """One path. Faulty ones are most often such that it matters: young, and in need of others."""
    matters = is_faulty and draw(st.integers(0, 3)) > 0
    earlier = st.sets(st.integers(0, number - 1), min_size=int(matters), max_size=2)
    nar = draw(st.integers(0, NARS - 1))
    spelling = draw(st.sampled_from([None, None, *URLS]))
    is_there = matters or draw(st.integers(0, 5)) > (3 if is_pushed else 0)
    return StoredPath(
        references=frozenset(draw(earlier) if number else ()),
        nar=nar,
        url=spelling(nar_key(nar)) if spelling else nar_key(nar),
        encoding="" if matters else draw(st.sampled_from(["", "", *ENCODERS])),
        age=(timedelta(hours=12) if matters else draw(AGES)) if is_there else None,
        nar_age=draw(AGES) if draw(st.integers(0, 9)) else None,
    )


@dataclass
class World:
    """A scenario as it goes on.

    Attributes:
        scenario: what is to happen.
        cache: the cache.
        start: the objects before it is collected.
        pushing: the pushes under way.
        fault_count: how often a fault happened, by path.
        faulty: the paths that were never received as they are stored.
    """

    scenario: Scenario
    cache: CollectedCache
    start: dict[str, Held] = field(default_factory=dict)
    pushing: list[Iterator[None]] = field(default_factory=list)
    fault_count: dict[int, int] = field(default_factory=dict)
    faulty: set[int] = field(default_factory=set)

    def build(self) -> None:
        """Put everything where it is."""
        scenario, storage = self.scenario, self.cache.storage
        for number, path in enumerate(scenario.paths):
            if path.nar_age is not None:
                storage.put(nar_key(path.nar), b"nar", age=path.nar_age)
            if path.age is not None:
                content = self.content(number)
                if number in scenario.stored_broken:
                    content = content.partition(b"References")[0][:-7]
                storage.put(narinfo_key(number), content, age=path.age, encoding=path.encoding)
        for nar, age in scenario.leftovers.items():
            if nar_key(nar) not in storage.objects:
                storage.put(nar_key(nar), b"nar", age=age)
        now = datetime.now(UTC)
        noted = {nar_key(nar): now - age for nar, age in scenario.noted.items()}
        storage.put(LEDGER_KEY, ledger_content(noted))
        self.start = dict(storage.objects)
        storage.skew, storage.storage_skew = scenario.skews
        storage.page = scenario.page
        for number, date in scenario.dates.items():
            storage.dates[narinfo_key(number)] = date
            storage.dates[nar_key(scenario.paths[number].nar)] = date
        storage.unlisted = {narinfo_key(number) for number in scenario.unlisted}
        for number, (name, count) in scenario.faults.items():
            storage.faults[narinfo_key(number)] = self._fault(number, FAULTS[name], count)
        self.pushing = [self._push(number) for number in scenario.pushes]
        storage.before = self._before

    def content(self, number: int) -> bytes:
        """Return the narinfo of a path, as it is stored."""
        path = self.scenario.paths[number]
        return ENCODERS[path.encoding](narinfo(number, sorted(path.references), path.url))

    def calm(self) -> None:
        """Finish the pushes, and end all faults."""
        for push in self.pushing:
            for _ in push:
                pass
        storage = self.cache.storage
        storage.before = lambda _: None
        storage.skew = storage.storage_skew = timedelta()
        storage.faults.clear()
        storage.dates.clear()
        storage.unlisted = set()

    def _before(self, request: int) -> None:
        for moment, which in self.scenario.schedule:
            if moment == request:
                next(self.pushing[which], None)

    def _fault(
        self, number: int, fault: Callable[[Answer], Answer], count: int
    ) -> Callable[[Answer], Answer]:
        def happen(answer: Answer) -> Answer:
            self.fault_count[number] = self.fault_count.get(number, 0) + 1
            is_over = self.fault_count[number] > count or answer.status != 200
            changed = answer if is_over else fault(answer)
            if changed != answer and count > 1:
                self.faulty.add(number)
            return changed

        return happen

    def _push(self, number: int) -> Iterator[None]:
        """Do what plain `nix copy` does, one step at a time.

        It asks which paths of the closure are there, puts the NARs of others unless they are there,
        and then their narinfos, each after its references.
        """
        objects = self.cache.storage.objects
        wanted: list[int] = []
        waiting = [number]
        while waiting:
            one = waiting.pop()
            if one not in wanted:
                wanted.append(one)
                waiting += self.scenario.paths[one].references
        lacking = sorted(one for one in wanted if narinfo_key(one) not in objects)
        yield
        for one in lacking:
            key = nar_key(self.scenario.paths[one].nar)
            if key not in objects:
                self.cache.storage.put(key, b"nar")
            yield
        for one in lacking:
            encoding = self.scenario.paths[one].encoding
            self.cache.storage.put(narinfo_key(one), self.content(one), encoding=encoding)
            yield


def kept_at_the_start(world: World) -> set[str]:
    """Return the keys of all that kept paths need, by the true ages and contents.

    A path that is in no listing and that nothing else mentions cannot be known.
    """
    scenario = world.scenario
    broken = {narinfo_key(number) for number in scenario.stored_broken}
    young = {
        narinfo_key(number)
        for number, path in enumerate(scenario.paths)
        if path.age is not None and path.age < OLDER_THAN and number not in scenario.unlisted
    }
    roots = young | broken | {narinfo_key(number) for number in scenario.roots}
    tolerated = {narinfo_key(number) for number in scenario.set_aside}
    faulty = broken | {narinfo_key(number) for number in scenario.faults}
    return closure(roots, world.start, not_followed=broken | (tolerated & faulty))


def require_kept(world: World) -> None:
    """Nothing that a kept path needs was deleted, not even for a moment."""
    lost = kept_at_the_start(world) & set(world.cache.storage.deleted)
    assert not lost, f"needed, and deleted: {sorted(lost)}"


def require_nothing_seen_deleted(world: World) -> None:
    """Nothing goes that was needed when the bucket was listed last before.

    That is: by a young or named path, while narinfos go; by any narinfo, once they are gone. A
    narinfo that goes after NARs is one whose NAR was looked for and is not there.
    """
    scenario, storage = world.scenario, world.cache.storage
    ignored = {narinfo_key(number) for number in scenario.stored_broken}
    ignored |= {narinfo_key(number) for number in scenario.set_aside & scenario.faults.keys()}
    unknown = {narinfo_key(number) for number in scenario.unlisted}
    named = {narinfo_key(number) for number in scenario.roots}
    nars_went = False
    for keys, seen in storage.deletions:
        narinfos = {key for key in seen if key.endswith(".narinfo")} - unknown
        young = {key for key in narinfos if datetime.now(UTC) - seen[key].written < OLDER_THAN}
        if all(key.endswith(".narinfo") for key in keys) and nars_went:
            for key in keys:
                needed = needed_by(seen[key], seen)
                (nar,) = [one for one in needed if one.startswith("nar/")]
                assert not storage.present[nar], f"withdrawn with its NAR: {key}"
            continue
        is_first = all(key.endswith(".narinfo") for key in keys)
        nars_went = nars_went or not is_first
        needed = closure(young | named if is_first else narinfos, seen, not_followed=ignored)
        assert not needed & set(keys), f"seen to be needed: {sorted(needed & set(keys))}"


def require_listed_again(world: World, done: Done | None) -> None:
    """Check that the bucket is listed before each deletion, after all others and the consent.

    Only what takes back narinfos comes after the last listing.
    """
    log = world.cache.storage.log
    deletions = [place for place, what in enumerate(log) if what == "delete"]
    for begin, end in itertools.pairwise([log.index("put") if "put" in log else 0, *deletions]):
        is_taken_back = done is not None and done.result["withdrawn"] and end == deletions[-1]
        assert "list" in log[begin:end] or is_taken_back, log
    if done is not None and deletions and not done.result["isBlocked"]:
        last = deletions[-2 if done.result["withdrawn"] else -1]
        assert "list" in log[last:], log


def require_only_collectable(world: World) -> None:
    """Only narinfos and NARs go; and no NAR before its grace is over."""
    scenario = world.scenario
    for key in world.cache.storage.deleted:
        assert key.endswith(".narinfo") or key.startswith("nar/"), key
        if key.startswith("nar/") and key in world.start:
            (number,) = [one for one in range(NARS + 2) if nar_key(one) == key]
            assert datetime.now(UTC) - world.start[key].written >= timedelta(days=1)
            if scenario.grace_days:
                assert scenario.noted[number] >= timedelta(days=scenario.grace_days)
    for key in (INFO_KEY, LEDGER_KEY):
        assert key in world.cache.storage.objects


def require_stopped(world: World, done: Done | None) -> None:
    """Where something cannot be read or trusted, nothing is deleted."""
    scenario = world.scenario
    present = {number for number, path in enumerate(scenario.paths) if path.age is not None}
    bad = ((world.faulty | scenario.stored_broken) & present) - scenario.set_aside
    bad -= scenario.unlisted
    if any(abs(skew) >= timedelta(minutes=15) for skew in scenario.skews):
        assert done is None or done.result["isBlocked"]
        assert world.cache.storage.deleted == []
    elif bad and not scenario.pushes:
        assert world.cache.storage.deleted == []
        assert done is None or not done.well


def require_exactly_garbage_gone(world: World) -> None:
    """Without faults, collection does its work: what nothing needs goes."""
    scenario, objects = world.scenario, world.cache.storage.objects
    kept = kept_at_the_start(world)
    narinfos = {key for key in world.start if key.endswith(".narinfo")}
    assert {key for key in objects if key.endswith(".narinfo")} == narinfos & kept
    all_named = closure(narinfos, world.start)
    for number in range(NARS + 2):
        key = nar_key(number)
        if key not in world.start or key in kept:
            continue
        age = datetime.now(UTC) - world.start[key].written
        noted = scenario.noted.get(number, timedelta())
        is_noted = key not in all_named and timedelta() < noted < timedelta(days=7000)
        noted = noted if is_noted else timedelta()
        is_due = min(noted, age) >= timedelta(days=scenario.grace_days)
        assert (key not in objects) == (is_due and age >= timedelta(days=1)), key


def require_reported(world: World, done: Done) -> None:
    """Check that this run or the next one names what a push lost, and nothing that was kept."""
    storage = world.cache.storage
    objects, deleted, seen = storage.objects, set(storage.deleted), storage.seen
    reported = {*done.result["withdrawn"], *done.result["incomplete"], *done.result["withoutNar"]}
    is_blocked = bool(done.result["isBlocked"])
    later = world.cache.collect(dry_run=True, set_aside=_names(world.scenario.set_aside))
    for number, path in enumerate(world.scenario.paths):
        key = narinfo_key(number)
        is_unknown = number in world.scenario.stored_broken | world.scenario.unlisted
        if key not in objects or is_unknown or key in done.result["setAside"]:
            continue
        lost = {one for one in needed_by(objects[key], objects) if one not in objects} & deleted
        if not lost:
            continue
        event("a push lost something")
        if key in seen and seen[key] == objects[key] and not is_blocked:
            event("a push lost something, and this run noticed")
            assert key in reported, (key, lost)
            assert not done.well
        elif not later.result["isBlocked"]:
            event("a push lost something, and the next run noticed")
            names = later.result["missingReferences"].get(store_hash(number), [])
            absent = {f"{name}.narinfo" for name in names}
            absent |= {later.result["missingNars"].get(store_hash(number), "")}
            if path.url != nar_key(path.nar):  # what it names is not certain
                lost -= {nar_key(path.nar)}
            assert lost <= absent, (key, lost)


def _names(numbers: frozenset[int]) -> list[str]:
    return [store_hash(number) for number in sorted(numbers)]


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)
@given(scenarios())
def test_what_kept_paths_need_is_never_deleted(scenario: Scenario) -> None:
    """Whatever the cache holds, whatever fails, and whatever is pushed meanwhile."""
    world = World(scenario, collected_cache())
    world.build()
    with TemporaryDirectory() as folder:
        try:
            done: Done | None = world.cache.collect(
                roots=[base_name(number) for number in scenario.roots],
                set_aside=_names(scenario.set_aside),
                grace_days=scenario.grace_days,
                folder=Path(folder),
            )
        except ClientError as failure:
            event(f"refused: {failure.problem[:40]}")
            done = None
    event(
        f"deleted {bool(world.cache.storage.deleted)}, blocked {done and done.result['isBlocked']}"
    )

    world.calm()
    require_kept(world)
    require_nothing_seen_deleted(world)
    require_listed_again(world, done)
    require_only_collectable(world)
    require_stopped(world, done)
    if done is not None and scenario.is_faultless:
        require_exactly_garbage_gone(world)
    if done is not None:
        require_reported(world, done)


def test_the_storage_and_the_evaluator_agree_on_a_plain_cache() -> None:
    """A check of the checks."""
    cache = collected_cache()
    cache.push(1)
    cache.push(0, [1])
    storage: S3Double = cache.storage
    expected = {narinfo_key(0), narinfo_key(1), nar_key(0), nar_key(1)}

    assert closure([narinfo_key(0)], storage.objects) == expected
    assert closure([narinfo_key(0)], storage.objects, not_followed=[narinfo_key(0)]) == {
        narinfo_key(0)
    }
