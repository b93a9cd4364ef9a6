"""An exported state: which of its resources belong to which cache, and what manages them."""

import json
from pathlib import Path
from typing import Any

import pytest

from nix_cache.backends.drift import Act, Repair
from nix_cache.backends.minio.connection import MinioServerError
from nix_cache.backends.minio.drift.acts import ActKind
from nix_cache.backends.minio.drift.administrator import connection_of
from nix_cache.backends.minio.drift.declared import Declared, DeclaredBucket, User
from nix_cache.backends.minio.drift.declared_by_state import declared
from nix_cache.backends.minio.drift.service import CacheOnServer
from nix_cache.backends.stack_state import (
    CACHE_TYPE,
    Cache,
    StateProvider,
    caches,
    others_than,
    provider_of,
)
from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack.check import OnService, choose
from nix_cache.cli.stack.engine import PulumiStack
from nix_cache.cli.stack.repair import renewal

URN = "urn:pulumi:prod::shop::"
SECRET = {
    "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
    "plaintext": '"s3cret"',
}


def resource(type_: str, name: str, parent: str = "", **more: Any) -> dict[str, Any]:
    """Return a resource as an exported state has it; a component if its type is one."""
    is_component = type_ == CACHE_TYPE or type_.startswith("shop:")
    urn = f"{URN}{type_}::{name}"
    return {"urn": urn, "type": type_, "parent": parent, "custom": not is_component, **more}


FIRST, SECOND = (resource(CACHE_TYPE, name) for name in ("first", "second"))
EXPLICIT = resource(
    "pulumi:providers:minio",
    "of-the-team",
    inputs={"minioServer": "two:9000", "minioPassword": SECRET},
)
DEFAULT = resource("pulumi:providers:minio", "default_0_17_1", inputs={"minioServer": "one:9000"})
BUCKETS = [
    resource(
        "minio:index/s3Bucket:S3Bucket",
        cache["urn"].rpartition("::")[2],
        cache["urn"],
        provider=f"{provider['urn']}::an-id",
        inputs={"bucket": f"b-{cache['urn'].rpartition('::')[2]}"},
    )
    for cache, provider in ((FIRST, DEFAULT), (SECOND, EXPLICIT))
]
GROUP = resource("shop:index:Group", "group", SECOND["urn"])
NESTED = resource("minio:index/iamUser:IamUser", "nested", GROUP["urn"], inputs={"name": "n"})
OWN = resource("aws:s3/bucket:Bucket", "of-the-program")
STATE = [FIRST, SECOND, EXPLICIT, DEFAULT, *BUCKETS, GROUP, NESTED, OWN]


def test_resources_belong_to_the_cache_above_them() -> None:
    """Also below another component, and without the old halves of replacements."""
    old = {**BUCKETS[0], "urn": "urn-old", "delete": True}

    first, second = caches([*STATE, old])

    assert (first.urn, second.urn) == (FIRST["urn"], SECOND["urn"])
    assert first.urns == {BUCKETS[0]["urn"]}
    assert second.urns == {BUCKETS[1]["urn"], NESTED["urn"]}
    assert second.all_urns == {*second.urns, GROUP["urn"]}


def test_a_state_without_a_cache_has_none() -> None:
    """A stack of something else."""
    assert caches([OWN]) == []


@pytest.mark.parametrize(
    ("index", "is_explicit", "settings"),
    [
        (0, False, {"minioServer": "one:9000"}),
        (1, True, {"minioServer": "two:9000", "minioPassword": "s3cret"}),
    ],
    ids=["default", "explicit"],
)
def test_the_provider_of_a_cache_has_its_settings_in_clear(
    index: int, is_explicit: bool, settings: dict[str, str]
) -> None:
    """An explicit one counts with its own, which the configuration does not have."""
    found = provider_of(caches(STATE)[index], "minio", STATE)

    assert (found.is_explicit, dict(found.settings)) == (is_explicit, settings)


def test_what_is_not_of_a_cache_is_noticed() -> None:
    """A refresh is limited then, to what is."""
    assert others_than(caches(STATE), STATE)
    assert not others_than(caches(STATE), [one for one in STATE if one is not OWN])
    assert others_than(caches(STATE)[:1], STATE[:-1])


def test_a_program_in_another_language_keeps_its_names_under_other_types() -> None:
    """And a policy that the program attaches itself is one that the user is to have."""
    reservation = resource(
        "nix-cache:index:NameReservation",
        "names",
        inputs={"backend": "minio", "names": ["bucket/lost"]},
    )
    attachment = resource(
        "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment",
        "own",
        inputs={"userName": "n", "policyName": "readonly"},
    )

    made = declared([reservation, NESTED], [attachment])

    assert made.buckets == (DeclaredBucket("", "lost"),)
    assert made.users == (User(NESTED["urn"], "n", "", {}, frozenset({"readonly"})),)


@pytest.mark.parametrize("setting", ["here", "[]", '{"connectionFile": 1}', "1"])
def test_a_setting_that_names_no_file_is_one_error(tmp_path: Path, setting: str) -> None:
    """Any program may have configuration of that name."""
    with pytest.raises(MinioServerError, match="nix-cache:minio is not an object"):
        connection_of(StateProvider(False, {}), {"nix-cache:minio": setting}, tmp_path)


STACK = PulumiStack(Path("/shop"), "prod", "/bin/pulumi", {})


def on_service(cache: str, *users: User) -> OnService:
    """Return a cache whose server is not asked here."""
    server: Any = None
    return OnService(
        Cache(f"{URN}{CACHE_TYPE}::{cache}", ()), CacheOnServer(Declared(users=users), server)
    )


def test_a_user_whom_an_interrupted_run_dropped_from_the_state_is_for_a_repair() -> None:
    """A message that there is no such user would leave them without a credential."""
    known = User("urn", "known", "", {"p": "urn-p"}, frozenset({"readonly"}))
    first = on_service("first", User("", "lost"), known)

    found, repair = renewal("known", [first], [first.cache], STACK)
    assert found is first
    assert repair == Repair(
        before=(Act(ActKind.REMOVE_USER, "known"), Act(ActKind.END_TEMPORARY, "known")),
        recreate=("urn", "urn-p"),
        after=(Act(ActKind.ATTACH_POLICY, "known", "readonly"),),
    )
    with pytest.raises(ClientError, match="run `nix-cache stack repair --stack prod --cwd /shop "):
        renewal("lost", [first], [first.cache], STACK)
    with pytest.raises(ClientError, match="name one of: known"):
        renewal("other", [first], [first.cache], STACK)


def test_a_user_in_several_caches_is_not_renewed_in_all_of_them() -> None:
    """On two servers, users can have the same name."""
    both = [on_service(name, User(f"urn-{name}", "ci")) for name in ("first", "second")]

    found = [one.cache for one in both]

    with pytest.raises(ClientError, match="2 caches of the stack prod have a user 'ci'") as raised:
        renewal("ci", both, found, STACK)
    assert raised.value.fix == "name the one that is meant: --cache first or --cache second"
    assert renewal("ci", both[1:], found, STACK)[0] is both[1]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("aws:iam/accessKey:AccessKey", "shop-ci-key"),
        ("digitalocean:index/spacesKey:SpacesKey", "shop-ci"),
        ("pulumi-python:dynamic/nix-cache:B2Key", "shop-ci"),
        ("nix-cache:index:B2Key", "shop-ci"),
        ("pulumi-python:dynamic/nix-cache:S3AccessKey", "shop-ci-access-key"),
    ],
)
def test_where_renew_is_refused_it_prints_the_command_that_replaces_the_credential(
    kind: str, name: str
) -> None:
    """With the URN, as the engine wants it. An unknown user gets the names."""
    urn = f"{URN}{CACHE_TYPE}${kind}::{name}"
    others = [
        {"urn": f"{URN}{CACHE_TYPE}$aws:iam/user:User::shop-ci", "custom": True},
        {"urn": f"{URN}{CACHE_TYPE}$nix-cache:index:SigningKey::shop-ci-key-1", "custom": True},
    ]
    cache = Cache(f"{URN}{CACHE_TYPE}::shop", ({"urn": urn, "custom": True}, *others))

    with pytest.raises(ClientError, match="has no users that `renew` can replace") as raised:
        renewal("ci", [], [cache], STACK)
    assert f"up --replace '{urn}'" in raised.value.fix
    assert "--stack prod" in raised.value.fix
    with pytest.raises(ClientError, match="no credential of 'janitor'") as raised:
        renewal("janitor", [], [cache], STACK)
    assert raised.value.fix == "name one of: ci"


def test_where_renew_is_refused_for_brought_key_pairs_it_names_their_setting() -> None:
    """They are no resources."""
    with pytest.raises(ClientError) as raised:
        renewal("ci", [], [Cache(f"{URN}{CACHE_TYPE}::shop", ())], STACK)
    assert "s3.accessKeys" in raised.value.fix


def test_a_cache_is_chosen_by_its_name_and_candidates_are_listed() -> None:
    """By its URN where another one has the same name below another component."""
    found = caches(STATE)
    twin = Cache(f"{URN}shop:index:Group${CACHE_TYPE}::first", ())

    assert choose(found, None, "prod") == found
    assert choose(found, "second", "prod") == [found[1]]
    with pytest.raises(ClientError, match="no cache 'third'; name one of: --cache first, second"):
        choose(found, "third", "prod")
    with pytest.raises(ClientError, match="has 2 caches named 'first'") as raised:
        choose([*found, twin], "first", "prod")
    assert f"--cache '{twin.urn}'" in raised.value.fix  # a shell would replace $nix
    assert choose([*found, twin], twin.urn, "prod") == [twin]


def test_a_connection_file_is_not_for_another_explicit_provider(tmp_path: Path) -> None:
    """The other server would lack the cache, and a repair would drop the cache from the state."""
    other = {"minioServer": "other:9000", "minioUser": "u", "minioPassword": "p"}
    (tmp_path / "file.json").write_text(json.dumps({**other, "minioServer": "new:9000"}))
    configuration = {"nix-cache:minio": '{"connectionFile": "file.json"}'}

    def server(**provider: Any) -> str:
        found = StateProvider(settings=other, **provider)
        return connection_of(found, configuration, tmp_path).server

    assert server(is_explicit=True, name="default-of-the-team") == "other:9000"
    assert server(is_explicit=True, name="minio") == "new:9000"
    assert server(is_explicit=False) == "new:9000"


@pytest.mark.parametrize(
    ("name", "is_explicit"),
    [("default", False), ("default_0_17_1", False), ("default-of-the-team", True)],
)
def test_a_provider_is_explicit_unless_the_engine_named_it(name: str, is_explicit: bool) -> None:
    """Whatever a program's own name begins with."""
    bucket = {**BUCKETS[0], "provider": f"{URN}pulumi:providers:minio::{name}::an-id"}
    [cache] = caches([FIRST, bucket])

    assert provider_of(cache, "minio", [FIRST, bucket]).is_explicit is is_explicit
