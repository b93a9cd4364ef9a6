"""The measurement of collections: the cache that is not stored anywhere, and the page."""

from bench.collecting_report import Collecting, CollectingMemory, CollectingWay, page
from bench.simulated_cache import Paths, SimulatedTransport
from nix_cache.cli.inventory.bucket import Bucket
from nix_cache.cli.s3.credentials import Credential
from tests.unit.cli.client_caches import manifest


def test_a_simulated_cache_is_whole() -> None:
    """Listed in parts, and read, by what collects a real one."""
    paths = Paths(3_000)
    bucket = Bucket(manifest(), Credential(access_key_id="a", secret_access_key="b"), "owner", 3)
    bucket._client._transport = SimulatedTransport(paths)

    contents = bucket.contents()

    assert list(contents.narinfos) == [paths.name(number) for number in range(paths.count)]
    assert list(contents.nars) == [paths.nar_key(number) for number in range(paths.count)]
    assert contents.narinfos.missing_references(contents.narinfos.all) == {}
    assert contents.narinfos.missing_nars(contents.narinfos.all) == {}
    assert contents.unreadable == []


def test_the_page_says_which_goals_are_met() -> None:
    """By medians."""
    seconds = {
        CollectingWay.FLOOR: [2.0, 9.0, 1.0],
        CollectingWay.LISTING: [1.0, 1.0, 1.0],
        CollectingWay.GC: [3.0, 2.0, 9.0],
        CollectingWay.GC_AGAIN: [1.25, 1.1, 1.5],
    }
    text = page(
        Collecting(10_000, seconds, 80 * 10**6),
        CollectingMemory(
            1_000_000, {CollectingWay.GC: 499 * 10**6, CollectingWay.SWEEP: 501 * 10**6}
        ),
        "2 cores",
        "memory",
        (0.1, 0.2),
        "2026-11-27",
    )

    assert "1.50 (goal: at most 1.5, met)" in text
    assert "1.25 (goal: at most 1.2, missed)" in text
    assert "499 MB (goal: at most 500, met)" in text
    assert "501 MB (goal: at most 500, missed)" in text
