"""The texts that `nix-cache use` writes into files of others."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.machine import masking
from nix_cache.cli.machine.appended import HEADER
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.nix import conf_file
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.use import credentials_file, diff

PAIR = Credential(access_key_id="nixreader", secret_access_key="first/secret")
RENEWED = Credential(access_key_id="nixreader", secret_access_key="second/secret")

PIECES = st.sampled_from(
    [
        b"a = b",
        b"# c",
        b"\\",
        b"\t",
        b" ",
        b"\r",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"\xff\x00",
        b"[x]",
        b"\xef\xbb\xbf",
    ]
)
TEXTS = st.none() | st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=60)


@given(TEXTS)
def test_an_include_that_is_added_and_removed_leaves_every_byte(text: bytes | None) -> None:
    """Whatever nix.conf holds; one that did not exist is gone again."""
    added = conf_file.with_include(text, "demo")

    assert added.startswith(text or b"")
    assert conf_file.include_line(added, "demo") is not None
    assert conf_file.without_include(added, "demo") == text


@given(TEXTS)
def test_adding_an_include_again_changes_nothing(text: bytes | None) -> None:
    """The command may run as often as one likes."""
    once = conf_file.with_include(text, "demo")

    assert conf_file.with_include(once, "demo") == once


@given(TEXTS, st.permutations(["a", "a.b", "c"]))
def test_includes_of_several_caches_go_in_any_order(text: bytes | None, order: list[str]) -> None:
    """Each is removed alone, and after the last one the file is as it was."""
    left: bytes | None = text
    for name in ("a", "a.b", "c"):
        left = conf_file.with_include(left, name)
    for position, name in enumerate(order):
        assert left is not None
        assert sorted(conf_file.included_names(left)) == sorted(order[position:])
        left = conf_file.without_include(left, name)
    assert left == text


@given(
    st.lists(st.sampled_from([b"a = b", b"# c", b"\\", b"x"]), min_size=1),
    st.lists(st.sampled_from([b"d = e", b"# f"]), min_size=1),
    st.booleans(),
)
def test_lines_written_behind_the_include_stay(
    before: list[bytes], after: list[bytes], ended: bool
) -> None:
    """A user edits the file between adding and removing; no two lines become one."""
    text = b"\n".join(before) + (b"\n" if ended else b"")
    edited = conf_file.with_include(text, "demo") + b"\n".join(after)

    assert conf_file.without_include(edited, "demo") == b"\n".join([*before, *after])


def test_the_include_has_the_line_ends_of_the_file() -> None:
    """A CRLF file stays one."""
    added = conf_file.with_include(b"a = b\r\n", "demo")

    assert added.count(b"\n") == added.count(b"\r\n") == 4


def test_an_include_whose_comment_was_taken_out_is_removed() -> None:
    """People tidy up comments."""
    text = b"a = b\n!include nix-cache/demo.conf   # ours\nc = d\n"

    assert conf_file.without_include(text, "demo") == b"a = b\nc = d\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"a = b c\n", [(1, "a", ("b", "c"))]),
        (b"\n a\t=\rb # c = d", [(2, "a", ("b",))]),
        (b"a =", [(1, "a", ())]),
        (b"a = b \\\nc = d\n", [(1, "a", ("b", "\\")), (2, "c", ("d",))]),
        (b"!include x\ninclude y", [(1, "include", ("x",)), (2, "include", ("y",), True)]),
        (b"a=b\nnothing\n# a = b\n!include x y\ninclude = x\n", []),
        (b"a = \xff", [(1, "a", ("\udcff",))]),
    ],
)
def test_lines_are_read_as_nix_reads_them(text: bytes, lines: list[tuple[Any, ...]]) -> None:
    """Found out with Nix 2.34: no continuation, carriage returns are blanks."""
    assert list(conf_file.parse(text)) == [conf_file.Line(*line) for line in lines]


def test_the_settings_add_to_lists() -> None:
    """Nothing that is set elsewhere is replaced."""
    text = conf_file.settings_text("demo", "https://x", ["a:1", "b:2"], Path("/k/a.sec"))

    assert text.decode().splitlines()[1:] == [
        "extra-substituters = https://x",
        "extra-trusted-public-keys = a:1 b:2",
        "extra-secret-key-files = /k/a.sec",
    ]


@given(TEXTS)
def test_a_profile_that_is_added_and_removed_leaves_every_byte(text: bytes | None) -> None:
    """Whatever the credentials file holds; one that did not exist is gone again."""
    added = credentials_file.with_profile(text, "demo", "nixreader", PAIR)

    assert added.startswith(text or b"")
    assert credentials_file.has_profile(added, "nixreader")
    assert credentials_file.without_profiles(added, "demo") == text


@given(TEXTS)
def test_a_profile_is_renewed_in_its_place(text: bytes | None) -> None:
    """Rotation changes the secret and nothing else, and running it again changes nothing."""
    added = credentials_file.with_profile(text, "demo", "nixreader", PAIR)
    added += b"\n[other]\naws_access_key_id = o\n"
    renewed = credentials_file.with_profile(added, "demo", "nixreader", RENEWED)

    assert renewed == added.replace(b"first/secret", b"second/secret")
    assert credentials_file.with_profile(renewed, "demo", "nixreader", RENEWED) == renewed


def test_profiles_of_two_caches_are_removed_one_by_one() -> None:
    """The other cache's stay."""
    text = credentials_file.with_profile(b"[x]\na = b", "one", "p", PAIR)
    both = credentials_file.with_profile(text, "two", "q", PAIR)

    left = credentials_file.without_profiles(both, "one")

    assert left is not None
    assert not credentials_file.has_profile(left, "p")
    assert credentials_file.has_profile(left, "q")
    assert credentials_file.without_profiles(left, "two") == b"[x]\na = b"


def test_what_others_put_into_a_profile_stays_in_that_profile() -> None:
    """It must not become a setting of the profile above."""
    text = credentials_file.with_profile(b"[x]\na = b\n", "demo", "p", PAIR) + b"region = eu\n[y]\n"

    assert credentials_file.with_profile(text, "demo", "p", RENEWED).endswith(
        b"aws_secret_access_key = second/secret\nregion = eu\n[y]\n"
    )
    assert credentials_file.without_profiles(text, "demo") == (
        b"[x]\na = b\n\n[p]\nregion = eu\n[y]\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        b"[nixreader]\naws_access_key_id = somebody\naws_secret_access_key = else\n",
        b"[ nixreader ]\n",
        credentials_file.with_profile(None, "another cache", "nixreader", RENEWED),
        credentials_file.with_profile(None, "demo", "nixreader", RENEWED) + b"[nixreader]\n",
    ],
)
def test_a_profile_of_another_user_is_not_touched(text: bytes) -> None:
    """Also one of another cache, and one that is there twice."""
    with pytest.raises(credentials_file.ForeignProfileError):
        credentials_file.with_profile(text, "demo", "nixreader", PAIR)


def test_a_profile_that_says_the_same_is_left_to_its_owner() -> None:
    """It is neither written nor removed."""
    text = b"[nixreader]\naws_secret_access_key=first/secret\nAWS_ACCESS_KEY_ID = nixreader"

    assert credentials_file.with_profile(text, "demo", "nixreader", PAIR) == text
    assert credentials_file.without_profiles(text, "demo") == text


def test_a_diff_shows_no_secret_of_any_user() -> None:
    """Not even in the lines around the change."""
    before = b"# old = hunter1\n[x]\naws_secret_access_key = hunter2\naws_session_token = hunter3"
    after = credentials_file.with_profile(before, "demo", "p", PAIR)
    change = FileChange(Path("c"), before, after, mask=masking.credentials_line)
    shown = "\n".join(diff.unified(change))

    assert "+[p]" in shown
    assert "+aws_access_key_id = nixreader" in shown
    assert "hunter" not in shown
    assert PAIR.secret_access_key not in shown


def test_a_diff_shows_no_access_token() -> None:
    """nix.conf may have one next to the change."""
    before = b"access-tokens = github.com=hunter1\nextra-access-tokens=x=hunter2"
    change = FileChange(
        Path("n"), before, conf_file.with_include(before, "demo"), mask=masking.nix_conf_line
    )

    assert "hunter" not in "\n".join(diff.unified(change))


def test_a_diff_of_a_huge_file_has_the_right_line_numbers() -> None:
    """And does not take minutes: ten megabytes of one and the same line."""
    before = (b"a = " + b"b" * 95 + b"\n") * 100_000
    change = FileChange(Path("n"), before, conf_file.with_include(before, "demo"))
    lines = list(diff.unified(change))

    assert lines[2] == "@@ -99998,3 +99998,6 @@"
    assert lines[-1] == "+!include nix-cache/demo.conf"


def test_the_header_reports_who_made_a_file() -> None:
    """A user who finds it wonders."""
    assert re.match(rb"# Made by `nix-cache use`", conf_file.with_include(None, "demo"))
    assert conf_file.without_include(HEADER + b"a = b\n", "demo") == HEADER + b"a = b\n"
