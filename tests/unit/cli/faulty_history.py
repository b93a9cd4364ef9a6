"""The life of a cache in which any request of any command may fail, and what must hold after it.

After each step an evaluator that shares no code with `gc` reads the bucket.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import event
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.upload.pinning import KeepRules
from nix_cache.formats.collection_run import RUN_KEY, CollectionRun
from tests.unit.cli.faulty_requests import FAULTS, Faults, KilledError
from tests.unit.cli.faulty_world import (
    METADATA,
    OLDER_THAN_DAYS,
    PATHS,
    UPSTREAM,
    FaultyWorld,
    LocalStore,
)
from tests.unit.cli.s3_double import Held
from tests.unit.nix_evaluator import closure, needed_by
from tests.unit.retention_evaluator import RetentionEvaluator, narinfos_of

Objects = Mapping[str, Held]


@dataclass(frozen=True)
class Act:
    """A command.

    Attributes:
        what: its name.
        arguments: its arguments.
        faults: what happens to its requests.
    """

    what: str
    arguments: tuple[Any, ...] = ()
    faults: Faults = ()


@dataclass(frozen=True)
class Step:
    """Commands that run at the same time, after a while.

    Attributes:
        acts: the commands; none to let time pass.
        days: how much time passes before.
        turns: whose request is next.
    """

    acts: tuple[Act, ...]
    days: float
    turns: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class FaultyScenario:
    """The life of a cache.

    Attributes:
        references: of each path, the numbers of earlier ones.
        orphans: the paths whose NARs are there at first, as a push left them that was killed.
        pushed: the paths that are pushed then, without a fault.
        steps: what happens then.
        keeps_versions: whether the bucket does.
        conditions: whether the storage has conditional writes, as of ``S3Double``.
        skew_minutes: of the storage's clock.
        page: how many keys a page of a listing has.
    """

    references: tuple[frozenset[int], ...]
    orphans: frozenset[int]
    pushed: frozenset[int]
    steps: tuple[Step, ...]
    keeps_versions: bool = False
    conditions: str = "kept"
    skew_minutes: int = 0
    page: int = 1000


@dataclass
class FaultyHistory:
    """A cache over its life.

    Attributes:
        scenario: what happens to it.
        evaluator: what a collection must keep.
        unfinished: the narinfos of pushes that did not end well beside a collection or removal,
            and that may therefore lack something.
        is_exact: whether a collection deletes everything else.
    """

    scenario: FaultyScenario
    evaluator: RetentionEvaluator = field(
        default_factory=lambda: RetentionEvaluator(timedelta(days=OLDER_THAN_DAYS))
    )
    unfinished: set[str] = field(default_factory=set)
    is_exact: bool = True
    skipped: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Set up the cache."""
        scenario = self.scenario
        self.world = FaultyWorld(LocalStore.of(scenario.references))
        self.world.begin(
            keeps_versions=scenario.keeps_versions,
            conditions=scenario.conditions,
            skew=timedelta(minutes=scenario.skew_minutes),
            page=scenario.page,
        )
        self.is_exact = not scenario.skew_minutes
        for number in sorted(scenario.orphans):
            self.world.storage.put(*self.world.store.nar(number), age=timedelta(days=99))
        for number in sorted(scenario.pushed):
            self.step(Step((Act("push", (number, True)),), 0))

    def run(self) -> None:
        """Let everything happen, and collect in the end without a fault, twice."""
        for step in self.scenario.steps:
            self.step(step)
        for _ in range(2):
            self.world.wait(timedelta(hours=2))
            self.step(Step((Act("collect"),), 0))

    def step(self, step: Step) -> None:
        """Let something happen, and look at the bucket."""
        world, storage = self.world, self.world.storage
        world.wait(timedelta(days=step.days))
        before = self._before = dict(storage.objects)
        self.evaluator.observe(before)
        began = world.now
        outcomes: dict[int, str] = {}

        def client(number: int, act: Act) -> None:
            outcomes[number] = self._outcome(act)

        world.requests.clear()
        world.results.clear()
        world.run(
            [(partial(client, number, act), act.faults) for number, act in enumerate(step.acts)],
            list(step.turns),
        )
        after = dict(storage.objects)
        what = [(act.what, act.arguments, outcomes[at]) for at, act in enumerate(step.acts)]
        for act, _, outcome in what:
            event(f"{act}: {outcome}")
        self._judge(what, before, after)
        if [(name, outcome) for name, _, outcome in what] == [("collect", "ended")]:
            self._judge_collection(before, after, began)

    def _outcome(self, act: Act) -> str:
        """Run a command; returns what came of it."""
        try:
            return {True: "ended", None: "ended", False: "reported"}[self._done(act)]
        except ClientError:
            return "failed"
        except KilledError:
            return "killed"

    def _done(self, act: Act) -> bool | None:
        world = self.world
        match act.what, act.arguments:
            case "collect", ():
                return world.collect()
            case "undo", (number,):
                runs = self._runs()
                return world.undo(runs[number % len(runs)]) if runs else True
            case "remove", (number,):
                return world.remove(self._present(number))
            case "resign", ():
                return world.resign()
            case "push", (number, is_rotated):
                world.push(number, is_rotated=is_rotated)
                return None
            case "pin", (name, number, revisions, days):
                world.pin(name, self._present(number), KeepRules(revisions, days))
                return None
            case "unpin", (name,):
                with contextlib.suppress(UsageError):
                    world.unpin(name)
                return None
        raise AssertionError(act)

    def _present(self, number: int) -> int:
        """Return one of the paths that were there before the step, or else the path itself."""
        name = self.world.store.name
        there = [one for one in range(PATHS) if f"{name(one)}.narinfo" in self._before]
        return there[number % len(there)] if there else number

    def _runs(self) -> list[str]:
        """Return the ids of earlier collections, the latest first."""
        found = [
            CollectionRun.parse(one.held.content).run
            for one in self.world.storage.versions.get(RUN_KEY, ())
        ]
        return [*dict.fromkeys(reversed(found))]

    def _judge(
        self, what: list[tuple[str, tuple[Any, ...], str]], before: Objects, after: Objects
    ) -> None:
        """Check what must hold after any step."""
        for key in METADATA:
            assert after.get(key) == before[key], f"{key} was changed"
        deleters = {name for name, *_ in what if name in {"collect", "remove", "undo"}}
        if not deleters & {"collect", "remove"}:
            assert before.keys() <= after.keys() | {RUN_KEY}, "deleted without a collection"
        removed = self._removed(what, before)
        expected = self.evaluator.kept(before, self.world.now, ()) - removed
        self.evaluator.observe(after)
        # What was pinned at first may have been unpinned before it was deleted.
        expected &= self.evaluator.kept(before, self.world.now, ())
        lost = expected - after.keys()
        assert not lost, f"needed, and deleted: {sorted(lost)}"
        self._judge_pushes(what, before, after, removed)
        lacking = self._lacking(after)
        event(f"deleted something: {bool(before.keys() - after.keys())}")
        self.unfinished &= lacking.keys()
        assert lacking.keys() <= self.unfinished, f"not whole: {lacking}"

    def _removed(self, what: list[tuple[str, tuple[Any, ...], str]], before: Objects) -> set[str]:
        """Return what removals may delete: paths, those that need them, and what only they need."""
        going: set[str] = set()
        for name, arguments, _ in what:
            if name == "remove":
                self.is_exact = False  # root records and pins still name the path
                going.add(f"{self.world.store.name(self._present(arguments[0]))}.narinfo")
        if not going:
            return set()
        while further := {
            key for key in narinfos_of(before) - going if needed_by(before[key], before) & going
        }:
            going |= further
        left = closure(narinfos_of(before) - going, before)
        return {
            key for key in before if key in going or (key.startswith("nar/") and key not in left)
        }

    def _judge_pushes(
        self,
        what: list[tuple[str, tuple[Any, ...], str]],
        before: Objects,
        after: Objects,
        removed: set[str],
    ) -> None:
        """What was pushed or pinned is there, with all that it needs."""
        store = self.world.store
        is_alone = len(what) == 1
        was_lacking = self._lacking(before)
        run = before.get(RUN_KEY)
        has_doubt = run is not None and CollectionRun.parse(run.content).leaves_doubt
        for name, arguments, outcome in what:
            if name not in {"push", "pin"}:
                continue
            number = arguments[0] if name == "push" else self._present(arguments[1])
            own = {f"{store.name(one)}.narinfo" for one in store.closure(number) - UPSTREAM}
            if outcome != "ended":
                if not is_alone:
                    self.unfinished |= own
                continue
            if any(other == "remove" for other, *_ in what):
                own -= removed if name == "pin" else set()
            if name == "push":
                assert own <= after.keys(), f"pushed, and not there: {own - after.keys()}"
                # A push asks for all NARs only if a collection may have left a narinfo without one.
                known = was_lacking.keys() & self.unfinished if not has_doubt else set()
                broken = own & self._lacking(after).keys() - known
                assert not broken, f"pushed, and not whole: {broken}"
            else:
                assert f"{store.name(number)}.narinfo" in after or number in UPSTREAM, "pinned"

    def _lacking(self, objects: Objects) -> dict[str, set[str]]:
        """Return what each narinfo needs and is not there, nor recorded as left to upstream."""
        found = {
            key: needed_by(objects[key], objects) - objects.keys() - self.evaluator.ever_left
            for key in narinfos_of(objects)
        }
        return {key: lacking for key, lacking in found.items() if lacking}

    def _judge_collection(self, before: Objects, after: Objects, began: Any) -> None:
        """A collection that ended well deleted everything that nothing asks for."""
        kept = self.evaluator.kept(before, began, ())
        if self.is_exact and not self.unfinished:
            assert narinfos_of(after) == narinfos_of(kept)
            day = timedelta(days=1)
            young = {key for key in before if began - before[key].written < day}
            nars = {key for key in before if key.startswith("nar/") and key in kept | young}
            assert {key for key in after if key.startswith("nar/")} == nars
        self.evaluator.collected(after, began)


NUMBERS = st.integers(0, PATHS - 1)
NAMES = st.sampled_from(["app", "app", "app", "app-2"])
_KEEP = (st.sampled_from([None, None, 2, 9]), st.sampled_from([None, None, 30, 400]))


def _acts(what: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.builds(Act, st.just(what), st.tuples(*arguments), FAULTS)


COLLECT = _acts("collect")
KINDS = {
    "collect": COLLECT,
    "push": _acts("push", NUMBERS, st.booleans()),
    "pin": _acts("pin", NAMES, NUMBERS, *_KEEP),
    "unpin": _acts("unpin", NAMES),
    "resign": _acts("resign"),
    "remove": _acts("remove", NUMBERS),
    "undo": _acts("undo", st.integers(0, 3)),
}
_NEED_CONDITIONS = {"resign", "remove", "undo"}
"""What docs/reference/cache-protocol.md does not promise beside a collection where the storage has
no conditional writes."""

_TURNS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([1, 1, 2, 3, 5, 8, 13, 30])),
    min_size=2,
    max_size=16,
).map(lambda drawn: tuple(who for who, count in drawn for _ in range(count)))
_DAYS = st.sampled_from([0.0, 0.0, 0.01, 0.1, 2, 20, 31, 40])


@st.composite
def faulty_scenarios(draw: st.DrawFn) -> FaultyScenario:
    """Return any scenario. Each has a few kinds of commands, so that these meet more often."""
    references = tuple(
        frozenset(draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else ())
        for number in range(PATHS)
    )
    # What an upstream cache has is whole there.
    whole = tuple(one & UPSTREAM if at in UPSTREAM else one for at, one in enumerate(references))
    conditions = draw(st.sampled_from(["kept", "kept", "ignored", "refused"]))
    kinds = draw(st.sets(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3)) | {"collect"}
    beside = kinds if conditions == "kept" else kinds - _NEED_CONDITIONS
    single = st.builds(lambda act: (act,), st.one_of([KINDS[kind] for kind in sorted(kinds)]))
    double = st.tuples(COLLECT, st.one_of([KINDS[kind] for kind in sorted(beside)]))
    step = st.builds(Step, st.one_of(single, double), _DAYS, _TURNS)
    return FaultyScenario(
        references=whole,
        orphans=frozenset(draw(st.sets(NUMBERS, max_size=3))),
        pushed=frozenset(draw(st.sets(NUMBERS, min_size=1, max_size=4))),
        steps=tuple(draw(st.lists(step, min_size=2, max_size=9))),
        keeps_versions=draw(st.booleans()) or "undo" in kinds,
        conditions=conditions,
        skew_minutes=draw(st.sampled_from([0, 0, 0, 0, -14, 14])),
        page=draw(st.sampled_from([1000, 1000, 5])),
    )
