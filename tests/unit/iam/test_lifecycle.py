"""Expiry rules: every narinfo once, the cache's own objects never, NARs later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.iam import lifecycle
from nix_cache.iam.lifecycle import ExpiryRule, expiry_rules

RULES = expiry_rules(90)
hashes = st.text(alphabet=lifecycle.NIX32, min_size=32, max_size=32)


def matching(key: str) -> list[ExpiryRule]:
    """Return the rules that apply to a key."""
    return [rule for rule in RULES if key.startswith(rule.prefix)]


@given(hashes, st.sampled_from([".narinfo", ".ls"]))
def test_every_narinfo_and_listing_is_matched_once(store_hash: str, ending: str) -> None:
    """Over the whole alphabet of hashes, also those that begin with nar or nix."""
    assert [rule.days for rule in matching(store_hash + ending)] == [90]


@given(
    st.sampled_from(["n", "na", "nar", "narn", "ni", "nix", "nixc", "i", "in", "ind", "indx"]),
    hashes,
)
def test_hashes_that_begin_like_a_spared_name_are_matched_too(start: str, rest: str) -> None:
    """The corner of the set of prefixes, aimed at."""
    assert len(matching(f"{(start + rest)[:32]}.narinfo")) == 1


@pytest.mark.parametrize("key", ["nix-cache-info", "index.html", "nix-cache.json"])
@given(rest=st.text())
def test_the_caches_metadata_is_never_matched(key: str, rest: str) -> None:
    """Nor anything that continues its name: it outlives everything."""
    assert matching(key) == []
    assert matching(key + rest) == []


@given(st.text())
def test_nars_outlive_the_narinfos_that_clients_remember(rest: str) -> None:
    """By the 30 days for which a client believes a narinfo that it has seen."""
    assert [rule.days for rule in matching(f"nar/{rest}")] == [90 + 30]


@pytest.mark.parametrize("key", ["log/x.drv", "debuginfo/x", "realisations/x", "build-trace-v2/x"])
def test_what_accompanies_narinfos_goes_with_them(key: str) -> None:
    """Nothing that Nix writes is kept for ever by accident."""
    assert [rule.days for rule in matching(key)] == [90]


def test_the_set_is_the_exact_one() -> None:
    """280 prefixes and nar/, within the 1,000 rules that MinIO and AWS take, with distinct ids."""
    assert len(RULES) == 281
    assert len({rule.id for rule in RULES}) == 281
    assert len({rule.prefix for rule in RULES}) == 281


def test_nothing_expires_unless_asked() -> None:
    """No rule at all, not one of zero days."""
    assert expiry_rules(0) == ()


def test_the_set_is_no_larger_than_it_has_to_be() -> None:
    """Without the landing page, it is the 187 prefixes that spare nix-cache-info and nar/."""
    assert len(list(lifecycle.prefixes_sparing(("nar/", "nix-cache-info")))) == 187


def test_further_names_can_be_spared() -> None:
    """The set is computed, not written down."""
    prefixes = list(lifecycle.prefixes_sparing(("robots.txt",)))

    assert not any("robots.txt".startswith(prefix) for prefix in prefixes)
    assert any("rxyz0000".startswith(prefix) for prefix in prefixes)
