"""The object nix-cache-info, letter by letter."""

import pytest

from nix_cache.formats.cache_info import differences, fields, nix_cache_info, problems


def test_the_text_is_three_lines() -> None:
    """As Nix parses them, and without a problem."""
    text = nix_cache_info("/nix/store", True, 40)

    assert text == "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    assert "WantMassQuery: 0\n" in nix_cache_info("/nix/store", False, 40)
    assert list(problems(text)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("StoreDir: /nix/store\n\nPriority:40\n", {"StoreDir": "/nix/store", "Priority": "40"}),
        ("StoreDir:  /a b \n", {"StoreDir": "/a b"}),
        ("no colon", {"no colon": ""}),
        ("Priority: 1\nPriority: 2\n", {"Priority": "2"}),
    ],
)
def test_fields_are_read_as_nix_reads_them(text: str, found: dict[str, str]) -> None:
    """White space around names and values has no meaning."""
    assert fields(text) == found


def test_differences_name_what_is_changed_missing_and_added() -> None:
    """In the order of the first text."""
    before, after = "A: 1\nB: 2\nC: 3\n", "C: 3\nA: 9\nD: 4\n"

    assert differences(before, after) == [("A", "1", "9"), ("B", "2", None), ("D", None, "4")]
    assert differences(before, "C:3\nB: 2\nA:  1") == []
