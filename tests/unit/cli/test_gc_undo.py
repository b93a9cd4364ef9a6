"""What `nix-cache gc --undo` restores. `tests/engine/test_gc_undo.py` runs it on MinIO."""

from datetime import UTC, datetime, timedelta

import pytest

from nix_cache.cli.gc.restoring import Restoration, UndoneRun, hidden_by, plan_restoration, runs
from nix_cache.cli.s3.answers import ObjectVersion
from nix_cache.formats.collection_run import RUN_DELETES_WITHIN, RUN_KEY, CollectionRun
from nix_cache.formats.narinfo import Narinfo
from tests.unit.cli.collected_cache import nar_key, narinfo, narinfo_key

START = datetime(2026, 11, 27, 6, tzinfo=UTC)
RUN = UndoneRun("one", START, START + timedelta(minutes=2))
WITHIN, BEFORE, AFTER = (START + timedelta(minutes=m) for m in (1, -60, 60))


def version(
    key: str, written: datetime, *, marker: bool = False, latest: bool = True
) -> ObjectVersion:
    """Return a version, its id made of its time."""
    return ObjectVersion(key, f"{written:%H%M}{'m' if marker else ''}", written, latest, marker, 10)


def deleted(key: str, when: datetime = WITHIN) -> list[ObjectVersion]:
    """Return the versions of an object that was deleted."""
    return [version(key, when, marker=True), version(key, BEFORE, latest=False)]


def kept(key: str) -> list[ObjectVersion]:
    """Return the versions of an object that is there."""
    return [version(key, BEFORE)]


def planned(*histories: list[ObjectVersion], **references: list[int]) -> Restoration:
    """Plan a restoration; paths refer to others as ``_1=[2]`` says."""
    history = {versions[0].key: versions for versions in histories}
    hidden = hidden_by(RUN, history)
    numbers = {narinfo_key(number): number for number in range(32)}
    narinfos = {
        key: Narinfo.parse(narinfo(numbers[key], references.get(f"_{numbers[key]}", [])))
        for key in hidden
        if key in numbers
    }
    return plan_restoration(history, hidden, narinfos)


def test_a_run_lasts_from_its_first_to_its_last_version() -> None:
    begun, second = CollectionRun(run="one", running=True), START + timedelta(seconds=9)
    versions = [
        (version(RUN_KEY, second), begun.ended),
        (version(RUN_KEY, START), begun),
    ]
    assert runs(versions) == [UndoneRun("one", START, second)]


@pytest.mark.parametrize("minutes", [10, 90])
def test_a_run_that_was_killed_lasts_until_it_cannot_delete_or_another_begins(minutes: int) -> None:
    other = START + timedelta(minutes=minutes)
    versions = [
        (version(RUN_KEY, START), CollectionRun(run="one", running=True)),
        (version(RUN_KEY, other), CollectionRun(run="two", running=True)),
    ]
    found = {one.name: one for one in runs(versions)}
    assert found["one"].end == min(other, START + RUN_DELETES_WITHIN)
    assert found["two"].start == other


def test_what_was_deleted_at_another_time_or_is_there_again_stays_as_it_is() -> None:
    again = [version(nar_key(3), AFTER), *deleted(nar_key(3))]
    plan = planned(
        deleted(nar_key(1)),
        deleted(nar_key(2), AFTER),
        again,
        kept(nar_key(4)),
        deleted("nix-cache.json"),
    )
    assert [one.key for one in plan.others] == [nar_key(1)]


@pytest.mark.parametrize(
    "key",
    [
        f"realisations/sha256:{'0' * 64}!out.doi",
        f"build-trace-v2/{'0' * 32}-app.drv/out.doi",
        f"{'0' * 32}.ls",
    ],
)
def test_what_belongs_to_a_path_comes_back(key: str) -> None:
    assert [one.key for one in planned(deleted(key), deleted("log/x.drv")).others] == [key]


def test_all_markers_above_what_a_run_deleted_go() -> None:
    twice = [version(nar_key(1), AFTER, marker=True), *deleted(nar_key(1))]
    (one,) = planned(twice).others
    assert one.markers == ("0700m", "0601m")


def test_needed_paths_come_back_first() -> None:
    plan = planned(
        *(deleted(narinfo_key(number)) for number in (1, 2, 3)),
        *(kept(nar_key(number)) for number in (1, 2, 3)),
        _3=[2],
        _2=[1],
    )
    assert [one.key for one in plan.narinfos] == [narinfo_key(number) for number in (1, 2, 3)]
    assert plan.nars == {nar_key(number) for number in (1, 2, 3)}
    assert not plan.left


def test_a_path_whose_nar_is_gone_for_good_stays_deleted_with_its_dependents() -> None:
    """So does one whose NAR a later run deleted."""
    plan = planned(
        *(deleted(narinfo_key(number)) for number in (1, 2, 3, 4)),
        deleted(nar_key(4), AFTER),
        kept(nar_key(2)),
        kept(nar_key(3)),
        _2=[1],
        _3=[3],
    )
    assert [one.key for one in plan.narinfos] == [narinfo_key(3)]
    assert set(plan.left) == {narinfo_key(number) for number in (1, 2, 4)}
    assert narinfo_key(1) in plan.left[narinfo_key(2)]


def test_a_reference_that_was_never_here_is_upstream() -> None:
    plan = planned(deleted(narinfo_key(1)), kept(nar_key(1)), _1=[9])
    assert not plan.left


def test_a_reference_that_another_run_deleted_is_named() -> None:
    plan = planned(
        deleted(narinfo_key(1)), kept(nar_key(1)), deleted(narinfo_key(2), AFTER), _1=[2]
    )
    assert not plan.narinfos
    assert narinfo_key(2) in plan.left[narinfo_key(1)]
