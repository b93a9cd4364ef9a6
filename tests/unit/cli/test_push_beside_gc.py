"""Real pushes beside real collections of one cache, in generated orders of their requests.

One request is answered at a time. The drawn numbers decide whose it is, how much time goes by
before it, and in which order a push works on its paths, so that a run can be repeated. The
evaluator reads the objects by itself.
"""

import contextlib
import io
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import zstandard
from botocore.credentials import Credentials
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError
from nix_cache.cli.inventory.ledger import LEDGER_KEY, ledger_content
from nix_cache.cli.limits import LimitKind
from nix_cache.cli.machine.waker import Waker
from nix_cache.cli.nix.held_closure import HeldClosure
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.upload import bucket as upload_bucket
from nix_cache.cli.upload import collections, packing, session, uploader
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.schedule import Step, Steps, Task
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.collection_run import RUN_DELETES_WITHIN, RUN_KEY, CollectionRun
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nar_writer import nar_chunks
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.own_objects import ROOTS_PREFIX
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.realisation import Realisation
from nix_cache.formats.root_record import RootRecord
from tests.fakes.plain_store import PlainStore
from tests.unit.cli.client_caches import KEY, WRITER, manifest
from tests.unit.cli.collected_cache import CollectedCache, one_by_one
from tests.unit.cli.interleaved import Interleaved
from tests.unit.cli.s3_double import DoubleTransport, Held, S3Double
from tests.unit.nix_evaluator import needed_by

START = datetime(2026, 11, 1, tzinfo=UTC)
REFERENCES: dict[str, tuple[str, ...]] = {
    "base": (),
    "data": (),
    "library": ("base",),
    "plugin": ("base", "data"),
    "tool": ("plugin",),
    "program": ("library", "plugin"),
    "stranger": ("library", "data"),
    "garbage": (),
}
"""The store paths of this test, each after its references."""

PUSHED = ("program", "tool")
_FOLDER = tempfile.TemporaryDirectory(prefix="nix-cache-test-")
DELETION_WITHIN = timedelta(minutes=25)
"""From the check of a collection that pushes see it to the answer to its deletion: longer than a
request takes with its repetitions."""


@dataclass(frozen=True)
class StoredPath:
    """A path as a push made it.

    Attributes:
        info: what the local store holds of it.
        files: its NAR, as this version of the compressor and as another one makes it.
    """

    info: PathInfo
    files: tuple[bytes, bytes]

    def nar_key(self, which: int) -> str:
        """Return the key of one of its NARs."""
        return self._file(which).key

    def narinfo(self, which: int) -> bytes:
        """Return a narinfo that names one of its NARs."""
        return signed_narinfo(self.info, self._file(which), KEY)

    def _file(self, which: int) -> NarFile:
        return NarFile(NixHash.of(self.files[which]), len(self.files[which]))


@cache
def store() -> dict[str, StoredPath]:
    """Return the local store."""
    plain = PlainStore(Path(_FOLDER.name) / "store")
    found: dict[str, StoredPath] = {}
    for name, references in REFERENCES.items():
        content = name.encode() * 20
        info = plain.add(name, content, [found[one].info for one in references])
        with packing.packed(info, nar_chunks(Path(info.path))) as packed:
            ours = os.pread(packed.descriptor, packed.file.file_size, 0)
        nar = b"".join(nar_chunks(Path(info.path)))
        found[name] = StoredPath(info, (ours, zstandard.compress(nar, 19)))
    return found


def realisation(info: PathInfo) -> Realisation:
    """Return the realisation of a path, as the local store has it."""
    digest = sha256(info.path.encode()).hexdigest()
    return Realisation.parse(
        {"dependentRealisations": {}, "id": f"sha256:{digest}!out", "outPath": info.base_name}
    )


def closure(names: Iterable[str]) -> list[str]:
    """Return some paths with all that they need, each after its references."""
    wanted = set(names)
    for name in reversed(REFERENCES):
        if name in wanted:
            wanted |= set(REFERENCES[name])
    return [name for name in REFERENCES if name in wanted]


@dataclass(frozen=True)
class Scenario:
    """A cache, and what happens in it.

    Attributes:
        ages: of the paths that are there, in days.
        others: the paths whose NAR another compressor made.
        leftovers: NARs of old paths without a narinfo, of either compressor.
        records: earlier pushes: the path that was named, and the age in days.
        grace_days: of NARs.
        turns: who sends the next requests, and how many of them.
        pauses: how much time goes by before each request, in seconds.
        pushed: the paths that are pushed.
        killed_at: the request at which a first collection is killed; None without one.
        is_answer_lost: whether that request is still done.
        next_looks: how often pushes look for the end of the killed collection before the next one.
        realisations: the paths whose realisations are there, also if the paths are not.
    """

    ages: Mapping[str, float]
    others: frozenset[str]
    leftovers: frozenset[tuple[str, int]]
    records: tuple[tuple[str, float], ...]
    grace_days: int
    turns: tuple[tuple[int, int], ...]
    pauses: tuple[float, ...]
    pushed: tuple[str, ...]
    killed_at: int | None = None
    is_answer_lost: bool = False
    next_looks: int = 0
    realisations: frozenset[str] = frozenset()


NAMES = st.sampled_from(list(REFERENCES))
PAUSES = st.sampled_from([0.0] * 40 + [10.0, 400.0, 400.0, 2400.0, 7200.0, 100_000.0])


@st.composite
def scenarios(draw: st.DrawFn, pushes: int, *, has_kill: bool = False) -> Scenario:
    """Most caches have old paths that are collected unless a push relies on them."""
    absent: set[str] = set(draw(st.sets(NAMES, max_size=3)))
    for name, references in REFERENCES.items():
        if absent & set(references):
            absent.add(name)
    ages = {
        name: draw(st.sampled_from([99.0, 99.0, 99.0, 31.0, 29.0]))
        for name in REFERENCES
        if name not in absent
    }
    return Scenario(
        ages=ages,
        others=frozenset(draw(st.sets(NAMES))),
        leftovers=frozenset(draw(st.sets(st.tuples(NAMES, st.integers(0, 1)), max_size=4))),
        realisations=frozenset(draw(st.sets(NAMES))),
        records=tuple(
            draw(st.lists(st.tuples(NAMES, st.sampled_from([2.0, 31.0, 60.0])), max_size=2))
        ),
        grace_days=draw(st.sampled_from([0, 0, 30])),
        turns=tuple(
            draw(
                st.lists(
                    st.tuples(st.integers(0, pushes), st.sampled_from([1, 1, 2, 3, 5, 8, 13, 30])),
                    min_size=2,
                    max_size=24,
                )
            )
        ),
        pauses=tuple(draw(st.lists(PAUSES, min_size=1, max_size=60))),
        pushed=PUSHED[:pushes],
        killed_at=draw(st.integers(8, 60)) if has_kill else None,
        is_answer_lost=has_kill and draw(st.booleans()),
        next_looks=draw(st.sampled_from([0, 20])) if has_kill else 0,
    )


class Killed(BaseException):
    """A client was killed: it sends nothing more, whatever it catches."""


class _Connection(DoubleTransport):
    """What one client reaches the storage by.

    Args:
        world: where it happens.
        killed_at: the request at which the client is killed; None if it is not.
    """

    def __init__(self, world: "World", killed_at: int | None) -> None:
        super().__init__(world.storage)
        self._world = world
        self._turns = world.order.transport(world.storage)
        self._left = killed_at

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        if self._left is not None:
            self._left -= 1
            if self._left < 0 and not (self._left == -1 and self._world.scenario.is_answer_lost):
                raise Killed
        with self._world.deleting() if method == "POST" else nullcontext():
            reply = self._turns.exchange(method, url, headers, body, kind)
        if self._left is not None and self._left < 0:
            raise Killed
        return reply


@dataclass
class World:
    """A scenario as it goes on.

    Attributes:
        scenario: what is to happen.
        order: of the requests.
        now: the true time.
        unpushed: what a push did not bring into the cache, with the reason.
        collected: what came of each collection.
    """

    scenario: Scenario
    order: Interleaved = field(init=False)
    storage: S3Double = field(init=False)
    now: datetime = START
    unpushed: dict[str, ClientError] = field(default_factory=dict)
    collected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put everything where it is."""
        scenario, self._deadlines = self.scenario, list[datetime]()
        turns = [who for who, count in scenario.turns for _ in range(count)]
        self.order, self._choices = Interleaved(turns), itertools.cycle(turns)
        folder = Path(store()["base"].info.path).parent
        self.manifest: Manifest = manifest(storeDir=str(folder))
        self.storage = S3Double(self.manifest.bucket, clock=lambda: self.now)
        self._put("nix-cache-info", f"StoreDir: {folder}\n".encode(), 99)
        noted = {}
        for name, which in sorted(scenario.leftovers):
            self._put(store()[name].nar_key(which), store()[name].files[which], 99)
            noted[store()[name].nar_key(which)] = self.now - timedelta(days=98)
        for name, age in scenario.ages.items():
            path, which = store()[name], int(name in scenario.others)
            self._put(path.nar_key(which), path.files[which], age)
            self._put(narinfo_key(path.info.path), path.narinfo(which), age)
        for name in sorted(scenario.realisations):
            found = realisation(store()[name].info).signed(KEY).cache_object()
            self._put(found.key, found.content, 99)
        self._put(LEDGER_KEY, ledger_content(noted), 1)
        for number, (name, age) in enumerate(scenario.records):
            paths = [store()[one].info.path for one in closure([name])]
            hashes = tuple(Path(path).name[:32] for path in paths)
            record = RootRecord(started=self.now, roots=(Path(paths[-1]).name,), paths=hashes)
            self._put(f"{ROOTS_PREFIX}{number}.json", record.content, age)
        pauses = itertools.cycle(scenario.pauses)
        self.storage.before = lambda _: self._pass(next(pauses))

    def run(self) -> None:
        """Let everything happen."""
        clients: list[Callable[[], None]] = [self.collect]
        clients += [partial(self.push, name) for name in self.scenario.pushed]
        with self._patched():
            self.order.run(clients)

    def repeat_pushes(self) -> None:
        """Push again what could not be pushed, after two hours. Nothing else happens then."""
        again, self.unpushed = [*self.unpushed], {}
        self.now += timedelta(hours=2)
        self.storage.before = lambda _: self._pass(0)
        with self._patched():
            for name in again:
                self.order.run([partial(self.push, name)])
        assert not self.unpushed

    def push(self, name: str) -> None:
        """Push the closure of a path."""
        used = Record(name="demo", manifest=self.manifest, writer=WRITER)
        path = store()[name].info.path
        try:
            session.push(Writer(WRITER, used, KEY), [path], UploadOptions(jobs=1))
        except ClientError as failure:
            self.unpushed[name] = failure

    def collect(self) -> None:
        """Collect; if a first collection is killed, collect again: at once, and later."""
        is_killed = self.scenario.killed_at is not None
        for killed_at in [self.scenario.killed_at, None, None] if is_killed else [None]:
            if self.collected and self.collected[-1] == "failed":
                self.now += RUN_DELETES_WITHIN
            connect = partial(self._connect, killed_at)
            cache = CollectedCache(self.storage, self.manifest, connect)
            try:
                done = cache.collect(grace_days=self.scenario.grace_days)
                self.collected.append("ended" if done.well else "reported something")
            except ClientError:
                self.collected.append("failed")
            except Killed:
                self.collected.append("killed")
                for _ in range(self.scenario.next_looks):
                    self.order.sleep(0)

    @contextlib.contextmanager
    def deleting(self) -> Iterator[None]:
        """A collection was seen by pushes, and deletes something now."""
        deadline = self.now + DELETION_WITHIN
        self._deadlines.append(deadline)
        try:
            yield
        finally:
            self._deadlines.remove(deadline)

    def _connect(self, killed_at: int | None, _: S3Double) -> DoubleTransport:
        return _Connection(self, killed_at)

    def _put(self, key: str, content: bytes, age_days: float) -> None:
        self.storage.put(key, content, age=timedelta(days=age_days))

    def _pass(self, seconds: float) -> None:
        later = self.now + timedelta(seconds=seconds)
        if any(later > deadline for deadline in self._deadlines):
            later = self.now
        self.now = later + timedelta(seconds=1)

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        """Let pushes use this storage, this store and this order, one request at a time."""
        identity = Identity("the test", Credentials("writer", "secret"))
        waiting = partial(collections.when_ended, wait_seconds=30.0, sleep=self.order.sleep)
        replacements: list[tuple[Any, str, Any]] = [
            (session, "roots_of", lambda given, _: list(given)),
            (session, "held_closure", _held),
            (session, "realisations_of", lambda infos: [realisation(info) for info in infos]),
            (session, "identify", lambda _: identity),
            (session, "Transport", lambda **_: _Connection(self, None)),
            (session, "in_parallel", one_by_one),
            (upload_bucket, "in_parallel", one_by_one),
            (uploader, "in_order", self._in_some_order),
            (collections, "when_ended", waiting),
        ]
        with contextlib.redirect_stderr(io.StringIO()), contextlib.ExitStack() as patches:
            for module, name, replacement in replacements:
                patches.enter_context(mock.patch.object(module, name, replacement))
            yield

    def _in_some_order(
        self,
        steps: Steps[Any, Any],
        items: Sequence[Any],
        needs: Mapping[int, Iterable[int]],
        _jobs: int,
    ) -> Iterator[Any]:
        """Do the steps in any order that ``schedule.in_order`` may have."""
        waiting, prepared, done = set(range(len(items))), dict[int, Any](), set[int]()
        while len(done) < len(items):
            ready = [number for number in prepared if set(needs[number]) <= done]
            chosen = [*sorted(waiting), *sorted(ready)]
            number = chosen[next(self._choices) % len(chosen)]
            is_quick = bool(next(self._choices) % 2)
            if number in waiting:
                waiting.remove(number)
                prepared[number] = self._prepared(steps, items[number], is_quick=is_quick)
            else:
                self._finish(steps, items[number], prepared.pop(number), is_quick=is_quick)
                done.add(number)
                yield items[number]

    @staticmethod
    def _prepared(steps: Steps[Any, Any], item: Any, *, is_quick: bool) -> Any:
        """Do a first step, as one request if that is possible and wanted."""
        quick, task = steps.quick, Task(Step.PREPARE, 0, 0)
        if is_quick and quick and quick.is_quick(item) and (begun := quick.prepare(item, task)):
            [answer] = quick.send(iter([begun.put]), Waker())
            if answer is not None and answer[1]:
                return begun.end()
        return steps.prepare(item)

    @staticmethod
    def _finish(steps: Steps[Any, Any], item: Any, result: Any, *, is_quick: bool) -> None:
        """Do a second step, likewise."""
        quick, task = steps.quick, Task(Step.FINISH, 0, 0)
        if is_quick and quick and (begun := quick.finish(item, result, task)):
            [answer] = quick.send(iter([begun.put]), Waker())
            if answer is not None and answer[1]:
                begun.end()
                return
        steps.finish(item, result)


def _held(paths: Sequence[str]) -> contextlib.AbstractContextManager[HeldClosure]:
    names = [name for name, path in store().items() if path.info.path in paths]
    infos = [store()[name].info for name in closure(names)]
    return nullcontext(HeldClosure(paths, lambda: infos))


def require_whole(objects: Mapping[str, Held]) -> None:
    """Each narinfo's references and NAR are there, and the NAR is what the narinfo says."""
    for key, held in objects.items():
        if not key.endswith(".narinfo"):
            continue
        lost = {one for one in needed_by(held, objects) if one not in objects}
        assert not lost, (key, lost)
        fields = dict(line.split(": ", 1) for line in held.content.decode().splitlines())
        stored = objects[fields["URL"]].content
        assert len(stored) == int(fields["FileSize"])
        nar = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
        assert len(nar) == int(fields["NarSize"])
        assert NixHash("sha256", sha256(nar).digest()).nix32 == fields["NarHash"]


def require_pushed(scenario: Scenario) -> None:
    """Let a scenario happen; everything is whole afterwards, and the pushed closures are there."""
    world = World(scenario)
    world.run()
    objects = world.storage.objects
    event(f"collections: {', '.join(world.collected)}")
    event(f"deleted something: {bool(world.storage.deleted)}")
    for failure in world.unpushed.values():
        event(f"a push failed: {failure.problem[:50]}")
    has_realisation = set(scenario.pushed)
    if world.unpushed:
        # A push that fails leaves paths without realisations, with or without a collection.
        world.repeat_pushes()
    else:
        of_uploaded = REFERENCES.keys() - scenario.ages.keys()
        has_realisation |= set(closure(scenario.pushed)) & (of_uploaded | scenario.realisations)
    require_whole(objects)
    for name in closure(scenario.pushed):
        assert narinfo_key(store()[name].info.path) in objects, name
    for name in has_realisation:
        assert realisation(store()[name].info).key in objects, name


orders = partial(
    settings,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)


@orders(max_examples=60)
@given(scenarios(1))
def test_a_push_beside_a_collection_leaves_its_closure_whole(scenario: Scenario) -> None:
    """Whatever it relies on."""
    require_pushed(scenario)


@orders(max_examples=30)
@given(scenarios(2))
def test_two_pushes_beside_a_collection_leave_their_closures_whole(scenario: Scenario) -> None:
    """They share paths."""
    require_pushed(scenario)


@orders(max_examples=60)
@given(scenarios(1, has_kill=True))
def test_a_push_beside_a_killed_collection_and_the_next_one_leaves_its_closure_whole(
    scenario: Scenario,
) -> None:
    """The next one begins at once, or when pushes have given up waiting for the killed one."""
    require_pushed(scenario)


class _KilledAtDeletion(DoubleTransport):
    """What a collection reaches the storage by that is killed when it has deleted a NAR.

    Args:
        storage: the storage.
        key: the NAR.
        before: called right before that is deleted.
    """

    def __init__(self, storage: S3Double, key: str, before: Callable[[], None]) -> None:
        super().__init__(storage)
        self._key = key
        self._before = before

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        is_last = method == "POST" and self._key.encode() in body
        if is_last:
            self._before()
        reply = super().exchange(method, url, headers, body, kind)
        if is_last:
            raise Killed
        return reply


@pytest.mark.parametrize("has_next", [False, True])
def test_the_next_push_looks_for_nars_that_a_killed_collection_may_have_deleted(
    *, has_next: bool
) -> None:
    """A push put an orphan NAR again and its narinfo, then the NAR went, then the collection died.

    The path was not named to the next push, which would skip it for its narinfo, also if another
    collection has ended before.
    """
    name, base = PUSHED[0], "base"
    orphan = store()[base].nar_key(0)
    scenario = Scenario(
        ages={"data": 99.0},
        others=frozenset(),
        leftovers=frozenset({(base, 0)}),
        records=(),
        grace_days=0,
        turns=((0, 1),),
        pauses=(0.0,),
        pushed=(),
    )
    world = World(scenario)
    push = partial(world.push, name)

    def collect() -> None:
        connect = partial(_KilledAtDeletion, key=orphan, before=push)
        with pytest.raises(Killed):
            CollectedCache(world.storage, world.manifest, connect).collect()

    with world._patched():
        world.order.run([collect])
    assert name in world.unpushed
    assert narinfo_key(store()[base].info.path) in world.storage.objects
    assert orphan not in world.storage.objects
    if has_next:
        world.now += timedelta(hours=1)
        CollectedCache(world.storage, world.manifest).collect()

    world.repeat_pushes()

    require_whole(world.storage.objects)


@pytest.mark.parametrize("unchecked", [False, True])
def test_the_next_push_puts_the_realisations_that_a_collection_may_have_deleted(
    *, unchecked: bool
) -> None:
    """Those of paths that it skips and that were not named to it, too."""
    everything = closure([PUSHED[0]])
    scenario = Scenario(
        ages=dict.fromkeys(everything, 1.0),
        others=frozenset(),
        leftovers=frozenset(),
        records=(),
        grace_days=0,
        turns=((1, 1),),
        pauses=(0.0,),
        pushed=(),
    )
    world = World(scenario)
    world.storage.put(RUN_KEY, CollectionRun.new(unchecked=unchecked).ended.content)

    with world._patched():
        world.order.run([partial(world.push, PUSHED[0])])

    put = {key for key in world.storage.objects if key.endswith(".doi")}
    wanted = everything if unchecked else [PUSHED[0]]
    assert put == {realisation(store()[name].info).key for name in wanted}
