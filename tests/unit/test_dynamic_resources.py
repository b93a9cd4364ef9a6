"""The providers behind signing keys and name claims, called as the engine calls them."""

from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from nix_cache import signing
from nix_cache.signing_key import _SigningKeyProvider
from nix_cache.storage import minio_claim
from nix_cache.storage.minio_claim import _ClaimProvider
from nix_cache.storage.minio_connection import Connection, Kind, MinioServerError

KEY = signing.generate("cache.example.org-1")
OTHER_OF_THE_SAME_NAME = signing.generate("cache.example.org-1")
OTHER = signing.generate("other.example.org-1")
UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]


@pytest.fixture
def keys() -> _SigningKeyProvider:
    """The provider of signing keys."""
    return _SigningKeyProvider()


def kept(key: signing.SecretKey) -> dict[str, Any]:
    """A key's outputs in the state."""
    return {"key_name": "a-1", "public_key": key.public_text, "secret_key": key.secret_text}


def test_a_key_is_made_under_its_name(keys: _SigningKeyProvider) -> None:
    """Its id is its name, which is no secret."""
    made = keys.create({"key_name": "a-1"})

    assert made.outs is not None
    assert made.id == "a-1"
    assert signing.parse_secret_key(made.outs["secret_key"]).public_text == made.outs["public_key"]
    assert made.outs["public_key"].startswith("a-1:")


def test_a_key_that_is_brought_in_is_kept_as_it_is(keys: _SigningKeyProvider) -> None:
    """With its own name, and without a second copy in the outputs."""
    made = keys.create({"key_name": "a-1", "brought_in": KEY.secret_text})

    assert made.id == "cache.example.org-1"
    assert made.outs == kept(KEY)


@pytest.mark.parametrize(
    ("news", "replaces"),
    [
        ({"key_name": "a-1"}, []),
        ({"key_name": "a-1", "brought_in": KEY.secret_text}, []),
        ({"key_name": "a-1", "brought_in": UNKNOWN}, []),
        ({"key_name": "a-2"}, ["key_name"]),
        ({"key_name": "a-1", "brought_in": OTHER.secret_text}, ["brought_in"]),
    ],
    ids=["same", "same brought in", "not known yet", "renamed", "another"],
)
def test_only_a_new_name_makes_a_new_key(
    keys: _SigningKeyProvider, news: dict[str, Any], replaces: list[str]
) -> None:
    """Taking a key out of the configuration that was brought in once changes nothing."""
    difference = keys.diff("id", kept(KEY), news)

    assert difference.replaces == replaces
    assert difference.changes is bool(replaces)


def test_another_key_under_a_name_in_use_is_refused(keys: _SigningKeyProvider) -> None:
    """Clients tell keys apart by their names alone."""
    news = {"key_name": "a-1", "brought_in": OTHER_OF_THE_SAME_NAME.secret_text}

    with pytest.raises(ValueError, match="already in use under the name") as refusal:
        keys.diff("id", kept(KEY), news)
    assert OTHER_OF_THE_SAME_NAME.secret_text.partition(":")[2] not in str(refusal.value)


def test_a_broken_key_is_refused_before_it_is_kept(keys: _SigningKeyProvider) -> None:
    """Also one that was an Output when the arguments were checked."""
    result = keys.check({}, {"key_name": "a-1", "brought_in": "a-1:AAAA"})

    assert [failure.property for failure in result.failures] == ["brought_in"]
    assert "AAAA" not in result.failures[0].reason
    assert not keys.check({}, {"key_name": "a-1", "brought_in": KEY.secret_text}).failures


USER = {"kind": "user", "adopt": False}
SERVER = {"minioServer": "127.0.0.1:1", "minioUser": "root-1", "minioPassword": "hidden-1"}


@pytest.fixture
def claims() -> _ClaimProvider:
    """The provider of claims, configured by a stack as the engine does it."""
    provider = _ClaimProvider()
    raw = {f"minio:{key}": value for key, value in SERVER.items()}
    provider.configure(ConfigureRequest(Config(raw, "nix-cache")))
    return provider


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What a server was asked, on which every user called ``taken`` exists."""
    questions: list[tuple[str, str]] = []

    def is_taken(connection: Connection, kind: Kind, name: str) -> bool:
        questions.append((connection.server, f"{kind}/{name}"))
        return name == "taken"

    def check_answers(connection: Connection) -> None:
        questions.append((connection.server, "ready"))

    monkeypatch.setattr(minio_claim, "_is_taken", is_taken)
    monkeypatch.setattr(minio_claim, "_check_answers", check_answers)
    return questions


def test_a_new_name_is_looked_up_and_a_held_one_is_not(
    claims: _ClaimProvider, asked: list[tuple[str, str]]
) -> None:
    """A stack's own user exists on the server, and is none of a conflict."""
    news = {**USER, "name": "taken"}

    assert "'taken' exists already" in claims.check({}, news).inputs["problem"]
    assert claims.check(news, news).inputs["problem"] == ""
    assert asked == [("127.0.0.1:1", "user/taken"), ("127.0.0.1:1", "ready")]


def test_a_name_to_be_adopted_may_be_taken(
    claims: _ClaimProvider, asked: list[tuple[str, str]]
) -> None:
    """The server only has to be ready."""
    assert claims.check({}, {**USER, "name": "taken", "adopt": True}).inputs["problem"] == ""
    assert asked == [("127.0.0.1:1", "ready")]


def test_a_refused_claim_points_to_adoption_and_is_never_made(
    claims: _ClaimProvider, asked: list[tuple[str, str]]
) -> None:
    """Also where the preview was skipped."""
    refused = claims.check({}, {**USER, "name": "taken"}).inputs

    assert "Adoption" in refused["problem"]
    with pytest.raises(ValueError, match="exists already"):
        claims.create(refused)
    assert len(asked) == 1


@pytest.mark.usefixtures("asked")
def test_a_granted_claim_keeps_no_connection(claims: _ClaimProvider) -> None:
    """The administrator's password does not go into a claim's outputs."""
    granted = claims.check({}, {**USER, "name": "free", **SERVER}).inputs

    made = claims.create(granted)
    assert made.id == "user/free"
    assert made.outs == {**USER, "name": "free", "problem": ""}


def test_an_explicit_provider_is_asked_instead_of_the_configured_one(
    claims: _ClaimProvider, asked: list[tuple[str, str]]
) -> None:
    """What a preview does not know of it yet is at its default."""
    explicit = {**SERVER, "minioServer": "127.0.0.1:2", "minioSsl": UNKNOWN}

    claims.check({}, {**USER, "kind": "bucket", "name": "free", **explicit})
    assert asked == [("127.0.0.1:2", "bucket/free")]


def test_a_preview_before_the_server_exists_asks_nobody(
    claims: _ClaimProvider, asked: list[tuple[str, str]]
) -> None:
    """`up` asks again when it is known."""
    unknown = {**SERVER, "minioServer": UNKNOWN}

    assert claims.check({}, {**USER, "name": "taken", **unknown}).inputs["problem"] == ""
    assert asked == []


def test_an_outage_is_told_also_for_names_that_are_held(
    claims: _ClaimProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has to show as a difference, or the engine would go on."""

    def check_answers(_connection: Connection) -> None:
        raise MinioServerError("MinIO does not answer")

    monkeypatch.setattr(minio_claim, "_check_answers", check_answers)
    olds = {**USER, "name": "mine", "problem": ""}
    news = claims.check(olds, olds).inputs

    assert news["problem"] == "MinIO does not answer"
    assert claims.diff("id", olds, news).changes
    with pytest.raises(ValueError, match="does not answer"):
        claims.update("id", olds, news)


def test_without_an_administrator_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the stack nor the environment knows one."""
    for name in ("MINIO_ENDPOINT", "MINIO_USER", "MINIO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    provider = _ClaimProvider()
    provider.configure(ConfigureRequest(Config({}, "nix-cache")))

    problem = provider.check({}, {**USER, "name": "any"}).inputs["problem"]
    assert "minio:minioServer (or MINIO_ENDPOINT)" in problem
    assert "minio:minioPassword (or MINIO_PASSWORD)" in problem


def test_a_claim_is_replaced_with_its_name_alone(claims: _ClaimProvider) -> None:
    """A server that moved, or a new password, is no other claim."""
    olds = {**USER, "name": "abc", "problem": ""}

    assert not claims.diff("id", olds, {**olds, "minioServer": "elsewhere:1"}).changes
    assert claims.diff("id", olds, {**olds, "name": "def"}).replaces == ["name"]
