"""The reservation of names on a MinIO server, called as the engine calls it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.output import Unknown

from nix_cache.dynamic.name_reservation import NameReservationProvider
from tests.fakes.name_server import NameServer, name_server

UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]
OF_RELEASE_0_1 = {"kind": "bucket", "name": "nix-cache", "adopt": False, "problem": ""}
"""The inputs of the claim on a bucket in a state of version 0.1.0."""


def wanted(*names: str, **further: Any) -> dict[str, Any]:
    """Return the inputs of a reservation."""
    return {"backend": "minio", "names": list(names), "adopt": False, **further}


@pytest.fixture
def server() -> Iterator[NameServer]:
    """Provide a server on which every name `taken` exists."""
    with name_server() as served:
        yield served


@pytest.fixture
def reservations(server: NameServer) -> NameReservationProvider:
    """Provide the provider, configured by a stack as the engine does it."""
    provider = NameReservationProvider()
    configure(provider, server)
    return provider


def configure(provider: NameReservationProvider, server: NameServer) -> None:
    """Begin a run of the engine."""
    raw = {f"minio:{key}": value for key, value in server.settings.items()}
    provider.configure(ConfigureRequest(Config(raw, "nix-cache")))


def problem(provider: NameReservationProvider, olds: dict[str, Any], news: dict[str, Any]) -> str:
    """Return what the check adds to the inputs."""
    return str(provider.check(olds, news).inputs["problem"])


def test_new_names_are_looked_up_and_held_ones_are_not(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """A user that the stack made exists on the server, and is no conflict."""
    held = wanted("user/taken")

    assert "the user 'taken' exists already" in problem(reservations, {}, held)
    assert problem(reservations, held, wanted("user/new", "user/taken")) == ""
    assert server.asked == ["user/taken", "user/new"]


def test_every_name_that_is_taken_is_reported(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """In one message, one line each."""
    found = problem(reservations, {}, wanted("bucket/taken", "policy/free", "user/taken"))

    assert [line.partition(" exists")[0] for line in found.splitlines()] == [
        "the bucket 'taken'",
        "the user 'taken'",
    ]


def test_names_that_are_held_cost_one_request_per_run(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """Which shows that the server answers."""
    held = wanted(*(f"user/writer-{number}" for number in range(100)))

    assert problem(reservations, held, held) == ""
    assert server.asked == ["user/root-1"]


def test_names_to_be_adopted_may_be_taken(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """The server only has to answer."""
    assert problem(reservations, {}, wanted("user/taken", adopt=True)) == ""
    assert server.asked == ["user/root-1"]


def test_a_refused_reservation_points_to_adoption_and_is_never_made(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """Also where the preview was skipped."""
    refused = reservations.check({}, wanted("user/taken")).inputs

    assert "nix-cache help operations/adoption" in refused["problem"]
    with pytest.raises(ValueError, match="exists already"):
        reservations.create(refused)
    assert server.asked == ["user/taken"]


@pytest.mark.parametrize(
    ("spelling", "name"), [("snake_case", "minio.user_prefix"), ("camelCase", "minio.userPrefix")]
)
def test_a_refusal_is_spelled_as_the_user_writes_settings(
    reservations: NameReservationProvider, spelling: str, name: str
) -> None:
    """The engine itself prints it where the preview was skipped."""
    refused = reservations.check({}, wanted("user/taken", spelling=spelling)).inputs

    with pytest.raises(ValueError, match=f"set {name}, or"):
        reservations.create(refused)


def test_the_state_keeps_no_connection(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """The administrator's password does not go into the outputs."""
    news = wanted("bucket/free", "user/free", **server.settings)
    granted = reservations.check({}, news).inputs

    made = reservations.create(granted)
    assert made.id == "bucket/free"
    assert made.outs == {**wanted("bucket/free", "user/free"), "problem": ""}


def test_an_explicit_provider_is_asked_instead_of_the_configured_one(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """What a preview does not know of it yet is at its default."""
    with name_server() as other:
        explicit = {**other.settings, "minioSsl": UNKNOWN}
        assert problem(reservations, {}, wanted("bucket/free", **explicit)) == ""

        assert other.asked == ["bucket/free"]
    assert server.asked == []


def test_a_preview_before_the_server_exists_asks_nothing(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """`up` asks when the server is known."""
    unknown = {**server.settings, "minioServer": UNKNOWN}

    assert problem(reservations, {}, wanted("user/taken", **unknown)) == ""
    assert server.asked == []


def test_an_outage_is_a_problem_also_for_names_that_are_held(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """It has to show as a difference, or the engine would go on. A second cache waits no more."""
    server.status = 503
    olds = wanted("user/mine", problem="")
    news = reservations.check(olds, wanted("user/mine")).inputs

    assert "answers 503" in news["problem"]
    assert problem(reservations, {}, wanted("user/another")) == news["problem"]
    assert len(server.asked) == 1
    assert reservations.diff("id", olds, news).changes
    with pytest.raises(ValueError, match="answers 503"):
        reservations.update("id", olds, news)


def test_a_wrong_password_names_the_administrator_and_never_the_password(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """As the server answers it."""
    server.password = "another"  # the server's own
    found = problem(reservations, {}, wanted("user/any"))

    assert "refuses the administrator 'root-1' (SignatureDoesNotMatch)" in found
    assert "hidden-1" not in found


@pytest.mark.parametrize("kind", ["bucket", "user", "policy"])
@pytest.mark.parametrize(("name", "found"), [("taken", True), ("free name+/é", False)])
def test_every_kind_of_name_is_looked_up(
    reservations: NameReservationProvider, server: NameServer, kind: str, name: str, found: bool
) -> None:
    """Whatever characters it has: they are part of the signature."""
    refusal = problem(reservations, {}, wanted(f"{kind}/{name}"))

    assert ("exists already" in refusal) is found, refusal
    assert server.asked == [f"{kind}/{name}"]


def test_without_an_administrator_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the stack nor the environment has one."""
    for name in ("MINIO_ENDPOINT", "MINIO_USER", "MINIO_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    provider = NameReservationProvider()
    provider.configure(ConfigureRequest(Config({}, "nix-cache")))

    found = problem(provider, {}, wanted("user/any"))
    assert "minio:minioServer (or MINIO_ENDPOINT)" in found
    assert "minio:minioPassword (or MINIO_PASSWORD)" in found


def test_a_reservation_is_updated_in_place(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """A server that moved, or a new password, is no change at all."""
    olds = wanted("user/abc", problem="")
    more = wanted("user/abc", "user/def", problem="")

    assert not reservations.diff("id", olds, {**olds, "minioServer": "elsewhere:1"}).changes
    found = reservations.diff("id", olds, more)
    assert found.changes
    assert not found.replaces
    assert reservations.update("id", olds, more).outs == more


def test_a_name_that_was_given_up_is_looked_up_again(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """It may be another's by now, or this stack's own if its removal was interrupted."""
    without = wanted("bucket/mine", "user/other")

    found = problem(reservations, without, wanted("bucket/mine", "user/other", "user/taken"))

    assert found.startswith("the user 'taken' exists already")
    assert "run `pulumi up` without it first" in found
    assert server.asked == ["user/taken"]


def test_a_reservation_continues_the_claim_of_version_0_1_0(
    reservations: NameReservationProvider, server: NameServer
) -> None:
    """What has rights in the bucket is the cache's own. Other names are refused as ever."""
    server.found = {
        "user/nixbuilder": '{"policyName": "other,nix-cache-write", "status": "enabled"}',
        "user/alice": '{"policyName": "nix-cache-2-write", "status": "enabled"}',
        "user/root": '{"status": "enabled"}',
        "policy/nix-cache-write": '{"Resource": ["arn:aws:s3:::nix-cache/*"]}',
        "policy/nix-cache-read": '{"Resource": ["arn:aws:s3:::nix-cache-2/*"]}',
        "bucket/nix-cache": "<LocationConstraint/>",
        "bucket/another": "<LocationConstraint/>",
    }
    found = problem(reservations, OF_RELEASE_0_1, wanted(*sorted(server.found), "user/new"))

    assert [line.partition(" exists")[0] for line in found.splitlines()] == [
        "the bucket 'another'",
        "the policy 'nix-cache-read'",
        "the user 'alice'",
        "the user 'root'",
    ]
    own = ("bucket/nix-cache", "policy/nix-cache-write", "user/nixbuilder")
    news = reservations.check(OF_RELEASE_0_1, wanted(*own)).inputs
    change = reservations.diff("bucket/nix-cache", OF_RELEASE_0_1, news)
    assert change.changes
    assert not change.replaces
    assert reservations.update("bucket/nix-cache", OF_RELEASE_0_1, news).outs == news
