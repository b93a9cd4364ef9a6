"""The providers behind signing keys and name claims, called as the engine calls them."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from nix_cache import signing
from nix_cache.signing_key import _SigningKeyProvider
from nix_cache.storage.minio_claim import _ClaimProvider
from tests.unit.name_server import NameServer, name_server

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


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A server on which every name `taken` exists."""
    with name_server() as served:
        yield served


@pytest.fixture
def claims(server: NameServer) -> _ClaimProvider:
    """The provider of claims, configured by a stack as the engine does it."""
    provider = _ClaimProvider()
    raw = {f"minio:{key}": value for key, value in server.settings.items()}
    provider.configure(ConfigureRequest(Config(raw, "nix-cache")))
    return provider


def test_a_new_name_is_looked_up_and_a_held_one_is_not(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """A stack's own user exists on the server, and is none of a conflict."""
    news = {**USER, "name": "taken"}

    assert "'taken' exists already" in claims.check({}, news).inputs["problem"]
    assert claims.check(news, news).inputs["problem"] == ""
    assert server.asked == ["user/taken", "user/root-1"]


def test_a_run_asks_once_whether_the_server_answers(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """Not once for each of a hundred writers. The next run asks again."""
    for name in ("one", "two", "three"):
        held = {**USER, "name": name, "problem": ""}
        assert claims.check(held, held).inputs["problem"] == ""
    assert server.asked == ["user/root-1"]

    raw = {f"minio:{key}": value for key, value in server.settings.items()}
    claims.configure(ConfigureRequest(Config(raw, "nix-cache")))
    claims.check(held, held)
    assert server.asked == ["user/root-1"] * 2


def test_a_name_to_be_adopted_may_be_taken(claims: _ClaimProvider, server: NameServer) -> None:
    """The server only has to be ready."""
    assert claims.check({}, {**USER, "name": "taken", "adopt": True}).inputs["problem"] == ""
    assert server.asked == ["user/root-1"]


def test_a_refused_claim_points_to_adoption_and_is_never_made(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """Also where the preview was skipped."""
    refused = claims.check({}, {**USER, "name": "taken"}).inputs

    assert "Adoption" in refused["problem"]
    with pytest.raises(ValueError, match="exists already"):
        claims.create(refused)
    assert server.asked == ["user/taken"]


def test_a_granted_claim_keeps_no_connection(claims: _ClaimProvider, server: NameServer) -> None:
    """The administrator's password does not go into a claim's outputs."""
    granted = claims.check({}, {**USER, "name": "free", **server.settings}).inputs

    made = claims.create(granted)
    assert made.id == "user/free"
    assert made.outs == {**USER, "name": "free", "problem": ""}


def test_an_explicit_provider_is_asked_instead_of_the_configured_one(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """What a preview does not know of it yet is at its default."""
    with name_server() as other:
        explicit = {**other.settings, "minioSsl": UNKNOWN}
        claims.check({}, {**USER, "kind": "bucket", "name": "free", **explicit})

        assert other.asked == ["bucket/free"]
    assert server.asked == []


def test_a_preview_before_the_server_exists_asks_nobody(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """`up` asks again when it is known."""
    unknown = {**server.settings, "minioServer": UNKNOWN}

    assert claims.check({}, {**USER, "name": "taken", **unknown}).inputs["problem"] == ""
    assert server.asked == []


def test_an_outage_is_told_also_for_names_that_are_held(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """It has to show as a difference, or the engine would go on. No further name waits for it."""
    server.status = 503
    olds = {**USER, "name": "mine", "problem": ""}
    news = claims.check(olds, olds).inputs

    assert "answers 503" in news["problem"]
    assert claims.check({}, {**USER, "name": "another"}).inputs["problem"] == news["problem"]
    assert len(server.asked) == 1
    assert claims.diff("id", olds, news).changes
    with pytest.raises(ValueError, match="answers 503"):
        claims.update("id", olds, news)


def test_a_wrong_password_names_the_administrator_and_never_the_password(
    claims: _ClaimProvider, server: NameServer
) -> None:
    """As the server answers it."""
    server.password = "another"  # the server's own
    problem = claims.check({}, {**USER, "name": "any"}).inputs["problem"]

    assert "refuses the administrator 'root-1' (SignatureDoesNotMatch)" in problem
    assert "hidden-1" not in problem


@pytest.mark.parametrize("kind", ["bucket", "user", "policy"])
@pytest.mark.parametrize(("name", "found"), [("taken", True), ("free name+/é", False)])
def test_every_kind_of_name_is_looked_up(
    claims: _ClaimProvider, server: NameServer, kind: str, name: str, found: bool
) -> None:
    """Whatever characters it has: they are part of the signature."""
    problem = claims.check({}, {"kind": kind, "adopt": False, "name": name}).inputs["problem"]

    assert ("exists already" in problem) is found, problem
    assert server.asked == [f"{kind}/{name}"]


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
