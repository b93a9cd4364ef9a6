"""The simulation of retention: three years of the ten."""

import re
from functools import cache

import pytest

from bench.retention.bucket import SimulatedBucket
from bench.retention.page import page, row
from bench.retention.policies import POLICIES, backends_with_room
from bench.retention.team import StorePath, Team
from bench.retention.years import Years, simulate
from nix_cache.iam.lifecycle import expiry_rules
from tools.bootstrap import ROOT

DAYS = 1150
"""With the pause of the team in them."""


@cache
def results() -> dict[str, Years]:
    """Each policy's years, by its name."""
    return {policy.name: simulate(policy, DAYS, seed=7) for policy in POLICIES}


def named(*words: str) -> Years:
    """Return the years of the first policy whose name has some words."""
    return next(found for name, found in results().items() if all(word in name for word in words))


def test_only_a_rule_for_the_whole_bucket_loses_the_metadata() -> None:
    lost = [name for name, years in results().items() if years.metadata_lost_on is not None]

    assert lost == [named("one rule").policy.name]


@pytest.mark.parametrize("name", [policy.name for policy in POLICIES])
def test_ages_leave_dangling_references_and_collections_do_not(name: str) -> None:
    years = results()[name]

    assert bool(years.dangling_days) == bool(years.policy.rules)


def test_a_nar_that_is_not_uploaded_again_expires_before_its_new_narinfo() -> None:
    assert named("nix copy", "fresh", "expire").without_nar_days
    assert not named("nix-cache push", "expire").without_nar_days


def test_root_records_keep_a_tool_that_is_pushed_daily() -> None:
    """Until the team pauses for longer than the days of the collection."""
    with_roots, without = named("gc", "nix-cache push"), named("gc", "nix copy")

    assert with_roots.tool_incomplete_days < without.tool_incomplete_days


def test_only_pins_keep_releases_and_the_system_of_a_pause_in_a_small_cache() -> None:
    pins, everything = named("pins"), named("nothing")

    assert not pins.latest_incomplete_days
    assert not pins.tool_incomplete_days
    assert not pins.release_incomplete_days
    assert pins.most_stored_bytes < everything.stored_bytes / 2
    others = [years for name, years in results().items() if "pins" not in name]
    assert all(years.release_incomplete_days for years in others if years is not everything)


def test_a_seed_gives_the_same_team_each_time() -> None:
    first, second = Team(3).days(), Team(3).days()

    assert [next(first) for _ in range(100)] == [next(second) for _ in range(100)]


def test_a_closure_has_references_before_what_refers_to_them() -> None:
    for _, pushed in zip(range(200), Team(5).days(), strict=False):
        seen: set[str] = set()
        for path in pushed.system:
            assert seen.issuperset(path.references)
            seen.add(path.hash)


def test_what_a_bucket_lacks_is_counted_at_each_change() -> None:
    library, program = StorePath("a" * 32, 10, ()), StorePath("b" * 32, 20, ("a" * 32,))
    bucket = SimulatedBucket()
    bucket.put_nar(program, 0)
    bucket.put_narinfo(program, 0)
    assert bucket.dangling == {program.hash}

    bucket.put_narinfo(library, 0)
    assert (bucket.dangling, bucket.without_nar) == (set(), {library.hash})

    bucket.put_nar(library, 0)
    assert bucket.has_all([library, program])

    bucket.delete_nar(program.nar_key)
    bucket.delete_narinfo(library.hash)
    assert (bucket.dangling, bucket.without_nar) == ({program.hash}, {program.hash})


def test_the_page_names_the_backends_that_have_no_room_for_the_rules() -> None:
    text = page(list(results().values()))

    assert "b2" not in backends_with_room(len(expiry_rules(90)))
    assert "Backblaze B2 has no room" in " ".join(text.split())
    assert all(row(years) in text for years in results().values())


def test_the_guide_has_the_figures_of_the_simulation() -> None:
    """The figures of each row of its table are those of one row of the results."""
    guide = (ROOT / "docs" / "operations" / "retention.md").read_text()
    table = guide.partition("| retention | pushed with")[2].partition("\n\n")[0]
    simulated = [
        set(re.findall(r"[\d,.]+", line.replace("never", "0")))
        for line in (ROOT / "bench" / "RETENTION.md").read_text().splitlines()
        if line.endswith("GB |")
    ]
    rows = [line.split("|")[3:-1] for line in table.splitlines()[2:]]

    assert len(rows) == 7
    for cells in rows:
        figures = {re.findall(r"[\d,.]+", cell)[0] for cell in cells}
        assert any(figures <= numbers for numbers in simulated), cells
