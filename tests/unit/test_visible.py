"""Foreign text as it may be shown."""

import sys
import unicodedata

import pytest

from nix_cache.visible import visible

ACTING = {
    "a title": ("\x1b]0;pwned\x07", r"\x1b]0;pwned\x07"),
    "a cleared screen": ("\x1b[2J", r"\x1b[2J"),
    "the same in one character": ("\x9b2J", r"\x9b2J"),
    "an overwritten line": ("bad\rgood", r"bad\rgood"),
    "a separate line": ("x\nerror: none", r"x\nerror: none"),
    "other line ends": ("a\v\f\x85\u2028\u2029b", r"a\x0b\x0c\x85\u2028\u2029b"),
    "a tab": ("a\tb", r"a\tb"),
    "the end of a text": ("\0", r"\x00"),
    "backspace and delete": ("\b\x7f", r"\x08\x7f"),
    "overrides and isolates": (
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        r"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ),
    "directional marks": ("\u200e\u200f\u061c", r"\u200e\u200f\u061c"),
    "no width": ("\u200b\u200c\u200d\u2060\ufeff\xad", r"\u200b\u200c\u200d\u2060\ufeff\xad"),
    "tags": ("\U000e0001\U000e0041", r"\U000e0001\U000e0041"),
    "variation selectors": ("\ufe0f\U000e0100", r"\ufe0f\U000e0100"),
    "fillers": ("\u3164\u115f\uffa0\u2800", r"\u3164\u115f\uffa0\u2800"),
    "other blanks": ("\xa0\u2003\u3000", r"\xa0\u2003\u3000"),
    "half a character": ("\ud800\udc9b", r"\ud800\udc9b"),
    "private and unassigned": ("\ue000\uffff", r"\ue000\uffff"),
}


@pytest.mark.parametrize(("text", "expected"), ACTING.values(), ids=ACTING.keys())
def test_what_acts_reorders_or_hides_is_escaped(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    "text", ["plain ~ text", "Grüße", "日本語", "שלום", "naïve — “quoted”", "🙂"]
)
def test_what_can_be_read_stays(text: str) -> None:
    assert visible(text) == text


def test_line_ends_of_a_layout_stay_and_nothing_else_does() -> None:
    assert visible("a\nb\r\n\x1b", keep="\n") == "a\nb\\r\n\\x1b"


def test_what_is_escaped_already_stays() -> None:
    everything = "".join(map(chr, range(0x3000)))
    assert visible(visible(everything)) == visible(everything)


def test_of_all_characters_none_is_let_through_that_acts_or_hides() -> None:
    shown = visible("".join(map(chr, range(sys.maxunicode + 1))))
    assert {unicodedata.category(character) for character in shown} <= {
        *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No"),
        *("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs"),
    }
    assert [character for character in shown if unicodedata.category(character) == "Zs"] == [" "]
