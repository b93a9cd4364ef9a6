"""Patterns of IAM, against every short text there is."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from nix_cache.iam.wildcards import covers, is_pattern, overlap

PATTERNS = st.text("ab*?", max_size=4)
TEXTS = ["".join(letters) for n in range(9) for letters in itertools.product("ab", repeat=n)]
"""Long enough for any two patterns of 4 that overlap to have a text among these."""


def matching(pattern: str) -> set[str]:
    """Return the texts that match a pattern."""
    expression = re.compile(pattern.replace("*", ".*").replace("?", "."))
    return {text for text in TEXTS if expression.fullmatch(text)}


@given(PATTERNS, PATTERNS)
def test_two_patterns_overlap_exactly_if_a_text_matches_both(one: str, other: str) -> None:
    """By trying all of them."""
    assert overlap(one, other) == bool(matching(one) & matching(other))


@given(PATTERNS, PATTERNS)
def test_a_pattern_that_covers_another_matches_all_that_it_does(wide: str, narrow: str) -> None:
    """The other way round it may say no too often, never yes."""
    if covers(wide, narrow):
        assert matching(narrow) <= matching(wide)


@given(st.text("ab", max_size=6), PATTERNS)
def test_a_pattern_covers_exactly_the_texts_that_match_it(text: str, pattern: str) -> None:
    """Where nothing is left to chance, it is exact."""
    assert covers(pattern, text) == (text in matching(pattern)) == overlap(pattern, text)


@given(PATTERNS)
def test_a_pattern_covers_itself_and_a_star_covers_everything(pattern: str) -> None:
    """Both are what a Deny that repeats its Allow looks like."""
    assert covers(pattern, pattern)
    assert covers("*", pattern)
    assert is_pattern(pattern) == (len(matching(pattern)) != 1 or pattern not in TEXTS)


def test_long_patterns_take_no_time() -> None:
    """Each star doubles the work of a search that forgets where it was."""
    assert not overlap("a*" * 200 + "b", "a" * 500)
    assert covers("a*" * 100, "a" * 500)
