"""What can be restored of a collection, from the versions that a bucket keeps. Pure.

A deletion in such a bucket puts a marker on an object. A run is found by the versions of its run
object, and what it deleted by the dates of the markers. Without its markers an object is there
again, with its old date.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nix_cache.cli.inventory.contents import is_collectable
from nix_cache.cli.inventory.ordering import dependents_first
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.formats.collection_run import RUN_DELETES_WITHIN, CollectionRun
from nix_cache.formats.nar_url import NarUrl
from nix_cache.formats.narinfo import Narinfo

_ROUNDING = timedelta(seconds=1)
"""For services that state dates in whole seconds."""

_NARINFO = ".narinfo"

History = Mapping[str, Sequence[ObjectVersion]]
"""By key, the versions of an object, the newest first."""


@dataclass(frozen=True)
class UndoneRun:
    """A collection, as the versions of its run object show it.

    Attributes:
        name: its id.
        start: when it began.
        end: when it ended, or could not delete any more.
    """

    name: str
    start: datetime
    end: datetime

    def has(self, time: datetime | None) -> bool:
        """Return whether something may have happened within it."""
        if time is None:
            return False
        is_exact = time.microsecond and self.start.microsecond
        tolerance = timedelta() if is_exact else _ROUNDING
        return self.start - tolerance <= time <= self.end + tolerance


@dataclass(frozen=True)
class Hidden:
    """An object that a run deleted, and that can be had back.

    Attributes:
        key: its name.
        markers: the ids of the versions that hide it.
        version: what is below them.
    """

    key: str
    markers: tuple[str, ...]
    version: ObjectVersion


@dataclass(frozen=True)
class Restoration:
    """What can be restored.

    Attributes:
        others: NARs, lists of files, realisations, root records and objects of pins.
        narinfos: each after those that it needs.
        left: by the key of a narinfo that stays deleted, the reason.
        nars: the keys of the NARs that the narinfos name.
    """

    others: tuple[Hidden, ...]
    narinfos: tuple[Hidden, ...]
    left: Mapping[str, str]
    nars: frozenset[str]


def runs(versions: Iterable[tuple[ObjectVersion, CollectionRun]]) -> list[UndoneRun]:
    """Return the collections that the versions of the run object show, the latest first."""
    dated = [(one.written, run) for one, run in versions if one.written is not None]
    dated.sort(key=lambda pair: pair[0])
    found: dict[str, UndoneRun] = {}
    open_run: str | None = None
    for written, run in dated:
        if open_run is not None and open_run != run.run:  # it was killed, and another one began
            killed = found[open_run]
            found[open_run] = UndoneRun(killed.name, killed.start, min(killed.end, written))
        begun = found[run.run].start if run.run in found else written
        found[run.run] = UndoneRun(
            run.run, begun, written + RUN_DELETES_WITHIN if run.running else written
        )
        open_run = run.run if run.running else None
    return sorted(found.values(), key=lambda one: one.start, reverse=True)


def hidden_by(run: UndoneRun, history: History) -> dict[str, Hidden]:
    """Return what a run deleted and is still deleted, by key."""
    found: dict[str, Hidden] = {}
    for key, versions in history.items():
        if not is_collectable(key):
            continue
        markers: list[ObjectVersion] = []
        for version in versions:
            if not version.is_marker:
                if markers and run.has(markers[-1].written):
                    found[key] = Hidden(key, tuple(one.version for one in markers), version)
                break
            markers.append(version)
    return found


def plan_restoration(
    history: History, hidden: Mapping[str, Hidden], narinfos: Mapping[str, Narinfo | None]
) -> Restoration:
    """Return what can be restored so that the cache is whole.

    Args:
        history: of all objects.
        hidden: what the run deleted.
        narinfos: by their key, what the narinfos among these state; None if they cannot be read.
    """
    there = {key for key, versions in history.items() if not versions[0].is_marker}
    possible = there | hidden.keys()
    nars: dict[str, str] = {}
    left: dict[str, str] = {}
    for key, narinfo in narinfos.items():
        if narinfo is None:
            left[key] = "cannot be read"
        elif (nar := _nar(NarUrl.parse(narinfo.url), possible)) is None:
            left[key] = f"names the NAR {narinfo.url}, which is not there any more"
        else:
            nars[key] = nar
    needs = {
        key: {f"{name[:32]}{_NARINFO}" for name in narinfo.references} - {key}
        for key, narinfo in narinfos.items()
        if narinfo is not None
    }
    while further := dict(_incomplete(needs, left, there, hidden, history)):
        left |= further
    going = narinfos.keys() - left.keys()
    order = dependents_first(going, lambda key: needs[key])[::-1]
    return Restoration(
        others=tuple(one for key, one in sorted(hidden.items()) if key not in narinfos),
        narinfos=tuple(hidden[key] for key in order),
        left=dict(sorted(left.items())),
        nars=frozenset(nars[key] for key in going),
    )


def _incomplete(
    needs: Mapping[str, set[str]],
    left: Mapping[str, str],
    there: set[str],
    hidden: Mapping[str, Hidden],
    history: History,
) -> Iterator[tuple[str, str]]:
    """Yield the narinfos that would lack what they need. What was never here is upstream."""
    for key, others in needs.items():
        if key in left:
            continue
        for other in sorted(others):
            is_back = other in there or (other in hidden and other not in left)
            if not is_back and other in history:
                yield key, f"needs {other}, which stays deleted"
                break


def _nar(url: NarUrl, possible: set[str]) -> str | None:
    if url.key is not None:
        return url.key if url.key in possible else None
    return next((key for key in sorted(possible) if url.may_name(key)), None)
