"""What happens to a cache over its life: pushes, pins, re-signing and collections, on any storage.

Each collection is judged by an evaluator that shares no code with `gc`.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import zstandard
from hypothesis import event
from hypothesis import strategies as st

from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.pin import PinRevision, latest_content, latest_key, new_revision_key
from nix_cache.formats.realisation import Realisation
from nix_cache.formats.root_record import RootRecord, new_key
from tests.engine.patient import nar_of
from tests.unit.cli.client_caches import KEY
from tests.unit.cli.collected_cache import base_name, store_hash
from tests.unit.cli.s3_double import Held
from tests.unit.retention_evaluator import DAY, RetentionEvaluator, narinfos_of

PATHS, CONTENTS, UPSTREAM = 8, 6, frozenset({0, 1})
"""How many store paths there are, how many contents they have, and which an upstream cache has."""

OLDER_THAN_DAYS = 30


class Place(Protocol):
    """A storage with one cache."""

    def put(self, key: str, content: bytes) -> None:
        """Put an object, as a writer does."""

    def delete(self, key: str) -> None:
        """Delete an object, as the rules of a storage do."""

    def objects(self) -> Mapping[str, Held]:
        """Return what is there."""

    def now(self) -> datetime:
        """Return the time by which pins are made."""

    def wait(self, days: float) -> None:
        """Let time pass."""

    def collect(self, roots: Sequence[str]) -> tuple[datetime, dict[str, Any]]:
        """Run `nix-cache gc` as the janitor; returns the time of the run, and its result.

        Args:
            roots: the last parts of store paths that are named to stay.
        """

    def resign(self) -> None:
        """Run `nix-cache resign`."""


@dataclass
class History:
    """A cache as it goes on.

    Attributes:
        place: where it is.
        references: of each path, the numbers of earlier ones.
        evaluator: what judges collections.
    """

    place: Place
    references: tuple[frozenset[int], ...]
    evaluator: RetentionEvaluator = field(
        default_factory=lambda: RetentionEvaluator(timedelta(days=OLDER_THAN_DAYS))
    )

    def copy(self, number: int) -> None:
        """Push a path as plain `nix copy` does: with its closure, and without a root record.

        Realisations are written again, also those that are there.
        """
        self._put(self._closure(number))
        for one in sorted(self._closure(number)):
            self.place.put(*self._realisation(one))

    def push(self, number: int) -> None:
        """Push a path as `nix-cache push` does, which leaves paths to the upstream cache."""
        own = self._closure(number) - UPSTREAM
        left = {one for path in own for one in self.references[path]} & UPSTREAM
        record = RootRecord(
            started=self.place.now(),
            roots=(base_name(number),),
            paths=tuple(store_hash(one) for one in sorted(own)),
            upstream={"https://upstream.example.org": tuple(map(store_hash, sorted(left)))},
        )
        self.place.put(new_key(), record.content)
        for one in sorted(self._put(own) | {number}):
            key, content = self._realisation(one)
            if one not in UPSTREAM and key not in self.place.objects():
                self.place.put(key, content)

    def pin(
        self, name: str, number: int | None, keep_revisions: int | None, keep_days: int | None
    ) -> None:
        """Pin a path, which is pushed if it is not there, or end the pin."""
        if number is not None:
            self.copy(number)
        made = self.place.now()
        path = None if number is None else f"/nix/store/{base_name(number)}"
        revision = PinRevision(
            made=made, path=path, keep_revisions=keep_revisions, keep_days=keep_days
        )
        self.place.put(new_revision_key(name, made), revision.content)
        self.place.put(latest_key(name), latest_content(path))

    def lose(self, number: int) -> None:
        """Let the storage expire a narinfo."""
        self.place.delete(f"{store_hash(number)}.narinfo")

    def wait(self, days: float) -> None:
        """Let time pass."""
        self.place.wait(days)

    def resign(self) -> None:
        """Follow a rotated key: every narinfo that was not signed with it is written again."""
        before = set(self.place.objects())
        self.place.resign()
        assert set(self.place.objects()) == before

    def collect(self, roots: Sequence[int] = ()) -> None:
        """Collect, and check what is there afterwards."""
        before = self.place.objects()
        present = [one for one in roots if f"{store_hash(one)}.narinfo" in before]
        self.evaluator.observe(before)

        now, result = self.place.collect([base_name(one) for one in present])

        after = self.place.objects()
        kept = self.evaluator.kept(before, now, map(store_hash, present))
        assert not kept - after.keys(), f"needed, and deleted: {sorted(kept - after.keys())}"
        assert narinfos_of(after) == narinfos_of(kept)
        young = {key for key in before if now - before[key].written < DAY}
        useful = self.evaluator.realisations(
            before, narinfos_of(kept), now, map(store_hash, present)
        )
        assert {key for key in after if key.endswith(".doi")} == useful
        deleted = before.keys() - after.keys()
        event(f"deleted realisations: {any(key.endswith('.doi') for key in deleted)}")
        nars = {key for key in before if key.startswith("nar/") and key in kept | young}
        assert {key for key in after if key.startswith("nar/")} == nars
        absent = self.evaluator.absent(narinfos_of(kept), before)
        self._require_reported(result, absent)
        self.evaluator.collected(after, now)
        event(f"deleted narinfos: {narinfos_of(before) != narinfos_of(after)}")
        event(f"absent references: {bool(absent)}")

    def _require_reported(self, result: dict[str, Any], absent: set[tuple[str, str]]) -> None:
        """Lost references are reported, and those that an upstream cache has are not."""
        reported = {
            (f"{name}.narinfo", f"{one}.narinfo")
            for name, names in result["missingReferences"].items()
            for one in names
        }
        assert {pair for pair in absent if pair[1] not in self.evaluator.ever_left} <= reported
        assert reported <= {pair for pair in absent if pair[1] not in self.evaluator.left}
        for name in ("incomplete", "withdrawn", "withoutNar", "setAside", "lostRealisations"):
            assert not result[name]
        assert result["missingNars"] == {}
        assert result["isBlocked"] is False

    def _closure(self, number: int) -> set[int]:
        found = {number}
        for one in range(number, -1, -1):
            if one in found:
                found |= self.references[one]
        return found

    def _put(self, numbers: set[int]) -> set[int]:
        """Put what is not there: NARs, then narinfos, each after its references.

        Returns:
            the paths that were not there.
        """
        there = self.place.objects()
        absent = {one for one in numbers if f"{store_hash(one)}.narinfo" not in there}
        lacking = [self._objects(number) for number in sorted(absent)]
        nars = {nar for nar, _ in lacking if nar[0] not in there}
        for key, content in (*sorted(nars), *(narinfo for _, narinfo in lacking)):
            self.place.put(key, content)
        return absent

    def _realisation(self, number: int) -> tuple[str, bytes]:
        """Return the key and content of a path's realisation, in one of Nix's two forms.

        That of a path with an odd number needs those of its references with odd numbers.
        """
        if number % 2:
            needed = [one for one in self.references[number] if one % 2]
            document: dict[str, Any] = {
                "dependentRealisations": {_identity(one): base_name(one) for one in needed},
                "id": _identity(number),
                "outPath": base_name(number),
            }
        else:
            document = {
                "key": {"drvPath": f"{base_name(number)}.drv", "outputName": "out"},
                "value": {"outPath": base_name(number)},
            }
        found = Realisation.parse(document).signed(KEY).cache_object()
        return found.key, found.content

    def _objects(self, number: int) -> tuple[tuple[str, bytes], tuple[str, bytes]]:
        """Return the keys and contents of a path's NAR and narinfo."""
        nar = nar_of(b"content %d" % (number % CONTENTS))
        stored = zstandard.compress(nar)
        path = f"/nix/store/{base_name(number)}"
        references = tuple(
            f"/nix/store/{base_name(one)}" for one in sorted(self.references[number])
        )
        info = PathInfo(path, NixHash.of(nar), len(nar), references, None, (), None, True, None)
        file = NarFile(NixHash.of(stored), len(stored))
        narinfo = signed_narinfo(info, file, KEY)
        url = next(line for line in narinfo.decode().splitlines() if line.startswith("URL: "))
        return (url.removeprefix("URL: "), stored), (narinfo_key(path), narinfo)


def _identity(number: int) -> str:
    return f"sha256:{number:064x}!out"


NUMBERS = st.integers(0, PATHS - 1)
NAMES = st.sampled_from(["app", "app", "app", "app-2"])


@dataclass(frozen=True)
class Call:
    """One step of a history, which can be printed.

    Attributes:
        what: the name of the step.
        arguments: its arguments.
    """

    what: str
    arguments: tuple[Any, ...] = ()

    def apply(self, history: History) -> None:
        """Do it."""
        getattr(history, self.what)(*self.arguments)


def _calls(what: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.tuples(*arguments).map(lambda drawn: Call(what, drawn))


PUSH, COPY = _calls("push", NUMBERS), _calls("copy", NUMBERS)
KEEP = (st.sampled_from([None, 1, 2, 3, 9]), st.sampled_from([None, None, 5, 30, 400]))
PIN = _calls("pin", NAMES, NUMBERS, *KEEP)
UNPIN = _calls("pin", NAMES, st.none(), st.none(), st.none())
CHANGES = st.one_of(PUSH, PUSH, COPY, PIN, PIN, PIN, UNPIN, UNPIN, _calls("lose", NUMBERS))
WAIT = _calls("wait", st.sampled_from([0.4, 10, 25, 40, 40]))
COLLECT = _calls("collect", st.lists(NUMBERS, max_size=2))


@dataclass(frozen=True)
class Scenario:
    """What happens to a cache.

    Attributes:
        references: of each path, the numbers of earlier ones.
        steps: in their order.
    """

    references: tuple[frozenset[int], ...]
    steps: tuple[Call, ...]

    def run(self, place: Place) -> None:
        """Do it all, and check each collection."""
        history = History(place, self.references)
        for step in self.steps:
            step.apply(history)


@st.composite
def histories(draw: st.DrawFn, most_rounds: int = 4) -> Scenario:
    """Return any scenario, in rounds that end with a collection each."""
    references = tuple(
        frozenset(draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else ())
        for number in range(PATHS)
    )
    # What an upstream cache has is whole there.
    whole = tuple(one & UPSTREAM if at in UPSTREAM else one for at, one in enumerate(references))
    rounds = draw(st.lists(_round(), min_size=2, max_size=most_rounds))
    return Scenario(whole, tuple(itertools.chain.from_iterable(rounds)))


@st.composite
def _round(draw: st.DrawFn) -> list[Call]:
    steps = draw(st.lists(CHANGES, min_size=1, max_size=6))
    if draw(st.integers(0, 3)) == 0:
        steps.append(Call("resign"))
    steps += [draw(WAIT)]
    steps += draw(st.lists(CHANGES, max_size=3))
    return [*steps, draw(COLLECT)]
