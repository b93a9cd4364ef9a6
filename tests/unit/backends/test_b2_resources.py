"""The providers behind Backblaze's buckets, keys and objects, called as the engine calls them.

They ask the real SDK, which asks Backblaze's simulator over HTTP.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

import pytest
from b2sdk.v3 import SSE_NONE
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from nix_cache.backends.b2.account import MARK, NEEDED
from nix_cache.backends.b2.login import PRODUCTION, B2AccountError, login_from
from nix_cache.dynamic.b2_bucket import LIFECYCLE_RULES, B2BucketProvider
from nix_cache.dynamic.b2_key import B2KeyProvider
from nix_cache.dynamic.b2_provider import AccountProvider
from nix_cache.dynamic.b2_text_object import B2TextObjectProvider
from nix_cache.dynamic.name_reservation import NameReservationProvider
from tests.fakes.b2_server import B2Server, Fault
from tests.fakes.b2_service import REGION

BUCKET = "team-cache"
WANTED: dict[str, Any] = {
    "bucket": BUCKET,
    "type": "allPublic",
    "encryption": "SSE-B2",
    "lifecycle_rules": LIFECYCLE_RULES,
    "mark": "0a1b2c3d",
    "adopt": False,
    "force_destroy": False,
}
NAMES: dict[str, Any] = {"backend": "b2", "bucket": BUCKET, "region": REGION, "adopt": False}
pytestmark = pytest.mark.filterwarnings("ignore:bad request exception with an unknown")

_P = TypeVar("_P", AccountProvider, NameReservationProvider)
UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]


@pytest.fixture
def b2() -> Iterator[B2Server]:
    """Provide a service with an empty account, which fails on requests that it does not know."""
    with B2Server() as server:
        yield server
        assert server.unknown == []


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide the SDK tries again at once."""
    monkeypatch.setattr("b2sdk._internal.b2http.time.sleep", lambda _seconds: None)


@pytest.fixture(autouse=True)
def _no_login_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever account the machine's user has is left alone."""
    for name in ("B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY", "B2_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def configured(provider: _P, b2: B2Server, **login: str) -> _P:
    """Return a provider under a stack's configuration."""
    settings = {
        "applicationKeyId": b2.service.key_id,
        "applicationKey": b2.service.key,
        "realm": b2.url,
        **login,
    }
    config = Config({f"b2:{key}": value for key, value in settings.items()}, "nix-cache")
    provider.configure(ConfigureRequest(config))
    return provider


def made_bucket(b2: B2Server, **changed: Any) -> str:
    """Return the id of a bucket that the stack has."""
    made = configured(B2BucketProvider(), b2).create({**WANTED, **changed})
    return str(made.id)


def problem(b2: B2Server, olds: dict[str, Any] | None = None, **login: str) -> str:
    """Return what a reservation finds."""
    reservations = configured(NameReservationProvider(), b2, **login)
    return str(reservations.check(olds or {}, NAMES).inputs["problem"])


def test_a_reservation_is_granted_and_draws_a_mark(b2: B2Server) -> None:
    """Two reservations have two marks, and nothing is made."""
    reservations = configured(NameReservationProvider(), b2)
    props = reservations.check({}, NAMES).inputs

    first, second = reservations.create(props), reservations.create(props)
    assert props["problem"] == ""
    assert first.outs == {**NAMES, "problem": ""}
    assert len(first.id) == 8
    assert first.id != second.id
    assert set(b2.requests) == {"b2_authorize_account", "b2_list_buckets"}


def test_a_bucket_of_the_account_that_is_not_reserved_is_refused(b2: B2Server) -> None:
    """Unless it is to be adopted, or is held already."""
    b2.service.make_bucket_past_the_stack(BUCKET)

    assert problem(b2).startswith("the bucket 'team-cache' exists already")
    assert "see `nix-cache help operations/adoption`" in problem(b2)
    assert problem(b2, olds=NAMES) == ""
    reservations = configured(NameReservationProvider(), b2)
    assert reservations.check({}, {**NAMES, "adopt": True}).inputs["problem"] == ""


def test_a_refused_reservation_is_never_made(b2: B2Server) -> None:
    """Also where the preview was skipped."""
    reservations = configured(NameReservationProvider(), b2)

    with pytest.raises(ValueError, match="taken"):
        reservations.create({**NAMES, "problem": "taken"})


def test_an_account_in_another_region_is_refused(b2: B2Server) -> None:
    """Both are named."""
    reservations = configured(NameReservationProvider(), b2)
    found = reservations.check({}, {**NAMES, "region": "eu-central-003"}).inputs["problem"]

    assert "b2.region is 'eu-central-003'" in found
    assert f"is in '{REGION}'" in found


def test_a_key_that_may_do_too_little_is_refused_by_what_it_lacks(b2: B2Server) -> None:
    """Before anything is made, and also for a stack that is up."""
    few = b2.service.make_key("few", None, sorted(NEEDED - {"writeKeys", "deleteFiles"}))
    login = {"applicationKeyId": few["applicationKeyId"], "applicationKey": few["applicationKey"]}

    for olds in ({}, NAMES):
        assert f"{few['applicationKeyId']!r} lacks deleteFiles, writeKeys:" in problem(
            b2, olds, **login
        )


@pytest.mark.parametrize("is_gone", [False, True], ids=["a bucket", "a bucket that is gone"])
def test_a_key_for_one_bucket_is_refused(b2: B2Server, is_gone: bool) -> None:
    """It could make no others."""
    b2.service.make_bucket_past_the_stack("another")
    key = b2.service.make_key("one", "another", sorted(NEEDED))
    if is_gone:
        another = b2.service.bucket("another").bucket_id
        configured(B2BucketProvider(), b2).delete(another, WANTED)
    login = {"applicationKeyId": key["applicationKeyId"], "applicationKey": key["applicationKey"]}

    assert "is restricted to a bucket" in problem(b2, **login)


def test_a_wrong_key_is_named_and_never_shown(b2: B2Server) -> None:
    """The fix says where it is set."""
    found = problem(b2, applicationKey="K004wrong")

    assert found.startswith("Backblaze refuses the key 'account-0': correct b2:applicationKeyId")
    assert "K004wrong" not in found


def test_without_a_key_the_fix_is_named(b2: B2Server) -> None:
    """Neither the stack nor the environment has one."""
    found = problem(b2, applicationKeyId="", applicationKey="")

    assert "b2:applicationKeyId (or B2_APPLICATION_KEY_ID)" in found
    assert "b2:applicationKey (or B2_APPLICATION_KEY)" in found
    assert not b2.requests


def test_the_environment_says_what_the_stack_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variables of Backblaze's own tools; a key is not printed."""
    monkeypatch.setenv("B2_APPLICATION_KEY_ID", "id-1")
    monkeypatch.setenv("B2_APPLICATION_KEY", "hidden-1")

    unset: dict[str, str] = {}
    login = login_from(unset.get)
    assert (login.key_id, login.key, login.realm) == ("id-1", "hidden-1", PRODUCTION)
    assert "hidden-1" not in repr(login)
    assert login_from({"b2:applicationKeyId": "id-2"}.get).key_id == "id-2"


@pytest.mark.parametrize(
    ("realm", "expected"),
    [
        ("production", PRODUCTION),
        ("https://b2.example.org/", "https://b2.example.org"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://b2.example.org", None),
        ("staging", None),
        ("https://", None),
    ],
)
def test_a_key_is_sent_only_where_no_user_can_read_it(realm: str, expected: str | None) -> None:
    """Over TLS, or to this machine."""
    settings = {"b2:applicationKeyId": "id", "b2:applicationKey": "key", "b2:realm": realm}

    if expected is None:
        with pytest.raises(B2AccountError, match="is not a URL to send a key to"):
            login_from(settings.get)
    else:
        assert login_from(settings.get).realm == expected


def test_a_bucket_is_made_as_asked_for(b2: B2Server) -> None:
    """Public or not, encrypted, with one rule and the mark."""
    made_bucket(b2)
    bucket = b2.service.bucket(BUCKET)

    assert bucket.bucket_type == "allPublic"
    assert bucket.default_server_side_encryption.mode.value == "SSE-B2"
    assert bucket.lifecycle_rules == LIFECYCLE_RULES
    assert bucket.bucket_info == {MARK: "0a1b2c3d"}


def test_a_bucket_whose_answer_was_lost_is_continued(b2: B2Server) -> None:
    """Both where the SDK tried again, and where `up` did."""
    b2.fail("b2_create_bucket", Fault.LOST)

    assert made_bucket(b2) == made_bucket(b2, type="allPrivate")
    assert list(b2.service.bucket_name_to_bucket) == [BUCKET]
    assert b2.service.bucket(BUCKET).bucket_type == "allPrivate"


@pytest.mark.parametrize("mark", ["", "ffffffff"], ids=["nobody's", "another stack's"])
def test_a_bucket_that_is_not_this_stacks_is_left_alone(b2: B2Server, mark: str) -> None:
    """Unless it is adopted, which keeps what is written on it."""
    bucket = b2.service.make_bucket_past_the_stack(BUCKET, mark)
    bucket.bucket_info["team"] = "ours"

    with pytest.raises(B2AccountError, match="exists already"):
        made_bucket(b2)
    assert bucket.bucket_type == "allPrivate"
    assert made_bucket(b2, adopt=True) == bucket.bucket_id
    assert bucket.bucket_type == "allPublic"
    assert bucket.bucket_info == {"team": "ours", MARK: "0a1b2c3d"}


def test_a_name_that_another_account_has_cannot_be_had(b2: B2Server) -> None:
    """All accounts share one set of names, which no list shows."""
    b2.service.names_of_others.add(BUCKET)

    with pytest.raises(B2AccountError, match=r"another account.*choose another"):
        made_bucket(b2)


def test_an_account_that_is_full_is_reported(b2: B2Server) -> None:
    """With what to do about it."""
    b2.service.cap = 0

    with pytest.raises(B2AccountError, match="as many buckets as Backblaze allows: remove"):
        made_bucket(b2)


def test_a_refresh_sees_what_a_bucket_is_set_to(b2: B2Server) -> None:
    """And each of it that was changed makes a difference."""
    buckets = configured(B2BucketProvider(), b2)
    bucket_id = made_bucket(b2)
    bucket = b2.service.bucket(BUCKET)

    assert buckets.read(bucket_id, WANTED).outs == WANTED
    assert not buckets.diff(bucket_id, WANTED, WANTED).changes
    for field, value in (
        ("bucket_type", "allPrivate"),
        ("lifecycle_rules", []),
        ("bucket_info", {}),
        ("default_server_side_encryption", SSE_NONE),
    ):
        kept = getattr(bucket, field)
        setattr(bucket, field, value)
        seen = buckets.read(bucket_id, WANTED).outs
        assert seen is not None
        difference = buckets.diff(bucket_id, seen, WANTED)
        assert (difference.changes, difference.replaces) == (True, []), field
        setattr(bucket, field, kept)


def test_a_bucket_that_is_gone_is_seen_as_gone(b2: B2Server) -> None:
    """By a refresh; an update says what to do, and a deletion is content."""
    buckets = configured(B2BucketProvider(), b2)

    assert buckets.read("bucket_77", WANTED).id == ""
    buckets.delete("bucket_77", {**WANTED, "force_destroy": True})
    with pytest.raises(B2AccountError, match="pulumi up --refresh"):
        buckets.update("bucket_77", WANTED, WANTED)


def test_a_new_name_makes_another_bucket_and_nothing_else_does(b2: B2Server) -> None:
    """A mark that a preview does not know yet is shown as a change in place."""
    buckets = configured(B2BucketProvider(), b2)

    assert buckets.diff("i", WANTED, {**WANTED, "bucket": "other-1"}).replaces == ["bucket"]
    for changed in ({"type": "allPrivate"}, {"mark": UNKNOWN}, {"force_destroy": True}):
        difference = buckets.diff("i", WANTED, {**WANTED, **changed})
        assert (difference.changes, difference.replaces) == (True, [])
    assert not buckets.diff("i", WANTED, {**WANTED, "adopt": True}).changes


def test_a_bucket_with_objects_is_deleted_only_by_force(b2: B2Server) -> None:
    """Hidden versions and unfinished uploads included; a lost answer does no harm."""
    buckets = configured(B2BucketProvider(), b2)
    bucket_id = made_bucket(b2)
    for content in (b"1", b"2"):
        b2.service.put(BUCKET, "nar/x", content)
    b2.service.begin_large_file(BUCKET, "nar/y")

    with pytest.raises(B2AccountError, match="nix-cache:protect to false"):
        buckets.delete(bucket_id, WANTED)
    assert b2.service.texts(BUCKET) == {"nar/x": "2"}
    b2.fail("b2_delete_file_version", Fault.LOST)
    b2.fail("b2_delete_bucket", Fault.LOST)
    buckets.delete(bucket_id, {**WANTED, "force_destroy": True})
    assert b2.service.bucket_name_to_bucket == {}


def key_props(bucket_id: str, **changed: Any) -> dict[str, Any]:
    """Return a writer's key, as the program asks for it."""
    return {
        "key_name": "ci-0a1b2c3d",
        "bucket_id": bucket_id,
        "capabilities": ["readFiles", "writeFiles"],
        "secret_access_key": None,
        **changed,
    }


def test_a_key_is_for_one_bucket_and_little_else(b2: B2Server) -> None:
    """What it may do, where, and its secret, which is reported once."""
    bucket_id = made_bucket(b2)
    made = configured(B2KeyProvider(), b2).create(key_props(bucket_id))

    key = b2.service.keys()["ci"]
    assert (key["bucketIds"], key["capabilities"]) == ([bucket_id], ["readFiles", "writeFiles"])
    assert made.id == key["applicationKeyId"]
    assert made.outs == key_props(bucket_id, secret_access_key=key["applicationKey"])


def test_a_key_whose_answer_was_lost_leaves_none_behind(b2: B2Server) -> None:
    """Neither the SDK's second try nor that of `up`; keys of others stay."""
    bucket_id = made_bucket(b2)
    b2.service.make_bucket_past_the_stack("another")
    elsewhere = b2.service.make_key("ci-0a1b2c3d", "another", ["readFiles"])
    by_hand = b2.service.make_key("byhand-1", BUCKET, ["readFiles"])
    keys = configured(B2KeyProvider(), b2)
    b2.fail("b2_create_key", Fault.LOST)

    keys.create(key_props(bucket_id))
    last = keys.create(key_props(bucket_id))
    assert set(b2.service.key_id_to_key) == {
        b2.service.key_id,
        last.id,
        elsewhere["applicationKeyId"],
        by_hand["applicationKeyId"],
    }


def test_a_refresh_sees_a_key_and_keeps_its_secret(b2: B2Server) -> None:
    """One that is gone is seen as gone."""
    keys = configured(B2KeyProvider(), b2)
    made = keys.create(key_props(made_bucket(b2)))
    assert made.outs is not None

    assert keys.read(made.id, made.outs).outs == made.outs
    b2.fail("b2_delete_key", Fault.LOST)
    keys.delete(made.id, made.outs)
    keys.delete(made.id, made.outs)
    assert keys.read(made.id, made.outs).id == ""
    assert b2.service.keys() == {}


def test_a_key_cannot_be_changed_only_replaced(b2: B2Server) -> None:
    """Also where a preview does not know the bucket yet."""
    keys = configured(B2KeyProvider(), b2)
    olds = key_props("bucket_0", secret_access_key="hidden")

    assert not keys.diff("i", olds, key_props("bucket_0")).changes
    for changed in ({"bucket_id": UNKNOWN}, {"key_name": "x-1"}, {"capabilities": ["readFiles"]}):
        assert keys.diff("i", olds, {**key_props("bucket_0"), **changed}).replaces == list(changed)


def text_props(bucket_id: str, text: str = "Priority: 40\n") -> dict[str, Any]:
    """Return an object, as the program asks for it."""
    return {
        "bucket_id": bucket_id,
        "key": "nix-cache-info",
        "text": text,
        "content_type": "text/x-nix-cache-info",
    }


def test_an_object_is_written_changed_and_removed_in_all_versions(b2: B2Server) -> None:
    """Other objects whose names begin alike stay."""
    objects = configured(B2TextObjectProvider(), b2)
    bucket_id = made_bucket(b2)
    b2.service.put(BUCKET, "nix-cache-info.txt", b"mine")

    made = objects.create(text_props(bucket_id))
    objects.update(made.id, text_props(bucket_id), text_props(bucket_id, "Priority: 30\n"))
    assert b2.service.texts(BUCKET)["nix-cache-info"] == "Priority: 30\n"
    objects.delete(made.id, text_props(bucket_id))
    objects.delete(made.id, text_props(bucket_id))
    files = b2.service.bucket(BUCKET).file_id_to_file.values()
    assert [file.name for file in files] == ["nix-cache-info.txt"]


def test_a_refresh_sees_an_object_that_was_replaced_hidden_or_removed(b2: B2Server) -> None:
    """As readers do; its text is not fetched."""
    objects = configured(B2TextObjectProvider(), b2)
    bucket_id = made_bucket(b2)
    props = text_props(bucket_id)
    made = objects.create(props)

    assert objects.read(made.id, props).outs == props
    b2.service.put(BUCKET, "nix-cache-info", b"Priority: 99\n")
    seen = objects.read(made.id, props).outs
    assert seen is not None
    assert seen["text"] == "(another text, of 13 bytes)"
    assert objects.diff(made.id, seen, props).changes
    b2.service.hide(BUCKET, "nix-cache-info")
    assert objects.read(made.id, props).id == ""
    objects.delete(made.id, props)
    assert objects.read(made.id, props).id == ""
    assert objects.read("i", text_props("bucket_77")).id == ""


def test_a_service_that_is_busy_is_tried_again(b2: B2Server) -> None:
    """By the SDK, for seconds."""
    b2.fail("b2_list_buckets", Fault.BUSY)

    assert problem(b2) == ""


def test_a_service_that_is_down_is_one_sentence(b2: B2Server) -> None:
    """That names it, and the system's own reason."""
    b2.stop()

    assert problem(b2) == (
        f"Backblaze at {b2.url} does not answer (Connection refused); see that it can be reached, "
        "then run the same command again"
    )
