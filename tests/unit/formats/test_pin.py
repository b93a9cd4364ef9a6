"""Pins: names, keys and revisions."""

import json
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli import options
from nix_cache.formats.pin import (
    MOST_KEPT,
    PinError,
    PinKey,
    PinRevision,
    is_pin_name,
    latest_content,
    latest_key,
    new_revision_key,
)
from nix_cache.iam.access import PIN_KEYS
from nix_cache.iam.lifecycle import expiry_rules

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
PATH = f"/nix/store/{HASH}-app-1.0"
NOW = datetime(2026, 11, 27, 6, 30, 0, 123456, tzinfo=UTC)
NAMES = st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,99}", fullmatch=True)
TIMES = st.datetimes(
    min_value=datetime(2006, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.just(UTC)
)
REVISIONS = st.builds(
    PinRevision,
    made=TIMES,
    writer=st.text(max_size=20),
    path=st.none() | st.just(PATH),
    keep_revisions=st.none() | st.integers(1, MOST_KEPT),
    keep_days=st.none() | st.integers(1, MOST_KEPT),
)


@given(REVISIONS)
def test_a_revision_is_read_as_it_was_written(revision: PinRevision) -> None:
    """All of it."""
    assert PinRevision.parse(revision.content) == revision
    assert revision.store_hash == (HASH if revision.path else None)


def test_a_revision_is_written_with_the_names_of_the_protocol() -> None:
    """Other programs read it too."""
    revision = PinRevision(made=NOW, writer="ci", path=PATH, keep_revisions=3, keep_days=None)

    assert json.loads(revision.content) == {
        "version": 1,
        "made": "2026-11-27T06:30:00.123456Z",
        "writer": "ci",
        "path": PATH,
        "keepRevisions": 3,
        "keepDays": None,
    }
    content = revision.content.replace(b"{", b'{"more": {}, ', 1)
    assert PinRevision.parse(content) == revision


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"version": 2, "path": {"of": "a later form"}}, "has version 2"),
        ({"path": HASH}, "path"),
        ({"path": f"/nix/store/{HASH}"}, "path"),
        ({"path": f"nix/store/{HASH}-app"}, "path"),
        ({"path": f"/nix/store/{HASH}-app\n"}, "path"),
        ({"path": f"/nix/../{HASH}-app/x"}, "path"),
        ({"path": 1}, "path"),
        ({"made": "2026-11-27T06:30:00"}, "made"),
        ({"keepRevisions": 0}, "keepRevisions"),
        ({"keepRevisions": True}, "keepRevisions"),
        ({"keepDays": "3"}, "keepDays"),
        ({"keepDays": MOST_KEPT + 1}, "keepDays"),
    ],
)
def test_what_is_no_revision_is_refused(change: dict[str, object], problem: str) -> None:
    """The reason names the field."""
    content = json.loads(PinRevision(made=NOW, path=PATH).content) | change

    with pytest.raises(PinError, match=problem):
        PinRevision.parse(json.dumps(content).encode())


@given(st.binary(max_size=60) | st.sampled_from([b"[]", b"{}", b'{"version": 1}', b"\xff", b"1"]))
def test_any_other_content_is_refused(content: bytes) -> None:
    """Nothing else is raised."""
    with pytest.raises(PinError):
        PinRevision.parse(content)


def test_a_revision_states_its_path_or_that_there_is_none() -> None:
    """One that was cut off is no end of a pin."""
    with pytest.raises(PinError, match="path"):
        PinRevision.parse(b'{"version": 1, "made": "2026-11-27T06:30:00Z"}')


@given(NAMES, TIMES, TIMES)
def test_keys_name_the_pin_and_sort_by_time(name: str, one: datetime, other: datetime) -> None:
    """Writers may put them, and no rule of the component expires them."""
    keys = [new_revision_key(name, time) for time in (one, other)]
    latest = latest_key(name)

    assert is_pin_name(name)
    assert [PinKey.parse(key) for key in keys] == [PinKey(name, is_revision=True)] * 2
    assert PinKey.parse(latest) == PinKey(name, is_revision=False)
    assert one == other or (keys[0] < keys[1]) == (one < other)
    for key in (*keys, latest):
        assert fnmatchcase(key, PIN_KEYS)
        assert not [rule for rule in expiry_rules(30) if key.startswith(rule.prefix)]


def test_keys_of_revisions_cannot_be_guessed() -> None:
    """They have 128 random bits, also those of one moment, in any time zone."""
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    keys = {new_revision_key("app", time) for time in [NOW, elsewhere] * 50}

    assert len(keys) == 100
    assert len({key.rpartition("-")[0] for key in keys}) == 1


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".app", "-app", "a/b", "a b", "app\n", "ä", "a" * 101, "a%2f", "a*", "a?b"],
)
def test_a_name_that_is_not_a_part_of_a_url_is_refused(name: str) -> None:
    """It would be another key, or none."""
    assert not is_pin_name(name)
    assert PinKey.parse(latest_key(name)) is None
    assert PinKey.parse(new_revision_key(name, NOW)) is None


def test_the_latest_path_is_text_that_a_shell_can_take() -> None:
    """Nothing if the pin ended."""
    assert latest_content(PATH) == f"{PATH}\n".encode()
    assert latest_content(None) == b""


def test_the_command_line_takes_what_a_revision_takes() -> None:
    """Its limit is a copy, as the import would slow every command down."""
    assert options._MOST_KEPT == MOST_KEPT
