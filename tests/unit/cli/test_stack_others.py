"""Drift beside what other resources of the stack declare for a cache's bucket and users."""

import json
from dataclasses import replace
from typing import Any

import pytest

from nix_cache.backends.drift import LEFT_TO_OTHERS, Act, Repair
from nix_cache.backends.minio.drift.acts import ActKind
from nix_cache.backends.minio.drift.comparison import compare, renewal
from nix_cache.backends.minio.drift.declared import Declared, DeclaredBucket, DeclaredRule, User
from nix_cache.backends.minio.drift.declared_by_state import declared, is_on_server
from nix_cache.backends.minio.drift.seen import Seen, SeenBucket, SeenUser
from nix_cache.backends.stack_state import caches, provider_of
from nix_cache.iam.access import anonymous_read_policy
from tests.unit.cli.test_stack_state import DEFAULT, EXPLICIT, FIRST, resource

READS = json.dumps(anonymous_read_policy("b"))
SAME_SERVER = resource(
    "pulumi:providers:minio", "of-our-own", inputs={"minioServer": "one:9000", "minioUser": "x"}
)
PROVIDERS = [DEFAULT, EXPLICIT, SAME_SERVER]


def on(provider: dict[str, Any], kind: str, name: str, parent: str = "", **more: Any) -> Any:
    """Return a resource of a provider."""
    type_ = f"minio:index/{kind[0].lower()}{kind[1:]}:{kind}"
    return resource(type_, name, parent, provider=f"{provider['urn']}::id", **more)


CACHE = [
    FIRST,
    on(DEFAULT, "S3Bucket", "first-bucket", FIRST["urn"], inputs={"bucket": "b"}),
    on(DEFAULT, "IamUser", "first-ci", FIRST["urn"], inputs={"name": "ci"}),
]
USER_URN, BUCKET_URN = CACHE[2]["urn"], CACHE[1]["urn"]


def of_others(provider: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a program declares about the bucket `b` and the user `ci` of a server."""
    return [
        on(
            provider,
            "IamServiceAccount",
            "key",
            inputs={"targetUser": "ci"},
            outputs={"accessKey": "AK"},
        ),
        on(provider, "IamGroupUserAttachment", "a", inputs={"groupName": "g1", "userName": "ci"}),
        on(provider, "IamGroupMembership", "m", inputs={"group": "g2", "users": ["ci", "x"]}),
        on(provider, "IamUserPolicyAttachment", "p", inputs={"policyName": "p", "userName": "ci"}),
        on(provider, "S3BucketPolicy", "r", inputs={"bucket": "b", "policy": READS}),
        on(
            provider,
            "IlmPolicy",
            "l",
            inputs={"bucket": "b", "rules": [{"id": "all", "noncurrentVersionExpirationDays": 3}]},
        ),
    ]


def of_state(state: list[dict[str, Any]]) -> Declared:
    """Return what the first cache of a state made on its server."""
    cache = caches(state)[0]
    return declared(cache.resources, state, provider_of(cache, "minio", state).urn)


OTHERS_USER = User(
    USER_URN,
    "ci",
    other_policies=frozenset({"p"}),
    other_groups=frozenset({"g1", "g2"}),
    other_keys={"AK": of_others(DEFAULT)[0]["urn"]},
)
OTHERS_BUCKET = DeclaredBucket(
    BUCKET_URN,
    "b",
    other_policies=(READS,),
    other_rules=(frozenset({DeclaredRule("all", "", "")}),),
)
SEEN_USER = SeenUser(
    policies=frozenset({"p"}), groups=frozenset({"g1", "g2"}), access_keys=frozenset({"AK"})
)
SEEN_BUCKET = SeenBucket(
    policy=json.loads(READS), rules=frozenset({DeclaredRule("all", "", "", "of versions")})
)
SEEN = Seen({"b": SEEN_BUCKET}, {"ci": SEEN_USER})


@pytest.mark.parametrize("provider", [DEFAULT, SAME_SERVER], ids=["same", "same server"])
def test_what_other_resources_declare_on_the_server_is_no_drift(provider: dict[str, Any]) -> None:
    """A repair would take it away for good, as its update leaves these resources out."""
    made = of_state([*PROVIDERS, *CACHE, *of_others(provider)])

    assert made == Declared((OTHERS_BUCKET,), (OTHERS_USER,))
    assert compare(made, SEEN) == []


def test_what_is_declared_on_another_server_is_drift_here() -> None:
    """Two servers can have users and buckets of the same name."""
    made = of_state([*PROVIDERS, *CACHE, *of_others(EXPLICIT)])

    assert made == Declared((DeclaredBucket(BUCKET_URN, "b"),), (User(USER_URN, "ci"),))
    assert {act.act for one in compare(made, SEEN) for act in one.repair.before} == {
        ActKind.DETACH_POLICY,
        ActKind.LEAVE_GROUP,
        ActKind.REMOVE_ACCESS_KEY,
        ActKind.REMOVE_BUCKET_POLICY,
        ActKind.REMOVE_LIFECYCLE,
    }


def test_what_an_interrupted_repair_did_not_restore_is_found() -> None:
    """The policies and groups are restored; of a key, only the program has the secret."""
    made = Declared((), (OTHERS_USER,))

    found = compare(made, Seen({}, {"ci": SeenUser()}))

    assert [one.repair.after for one in found if one.repair.after] == [
        (Act(ActKind.ATTACH_POLICY, "ci", "p"),),
        (Act(ActKind.JOIN_GROUP, "ci", "g1"),),
        (Act(ActKind.JOIN_GROUP, "ci", "g2"),),
    ]
    [key] = [one for one in found if one.what == "the access key AK of the user ci was deleted"]
    assert "`pulumi state delete urn:" in key.remedy  # a refresh would fail over it
    assert key.repair == Repair()


def test_a_user_who_is_created_again_gets_all_back_but_access_keys() -> None:
    """These are named before the repair starts."""
    [finding] = compare(Declared((), (OTHERS_USER,)), Seen())

    for repair in (finding.repair, renewal(OTHERS_USER)):
        assert repair.after == (
            Act(ActKind.ATTACH_POLICY, "ci", "p"),
            Act(ActKind.JOIN_GROUP, "ci", "g1"),
            Act(ActKind.JOIN_GROUP, "ci", "g2"),
        )
        assert repair.lost == (("the access key AK of the user ci", OTHERS_USER.other_keys["AK"]),)


@pytest.mark.parametrize(
    "changes",
    [{"policy": {"Statement": []}}, {"policy": None}, {"rules": frozenset()}],
    ids=["another policy", "no policy", "no lifecycle"],
)
def test_a_setting_of_another_resource_is_reported_and_never_removed(
    changes: dict[str, Any],
) -> None:
    """A repair's update does not restore it."""
    [finding] = compare(Declared((OTHERS_BUCKET,)), Seen({"b": replace(SEEN_BUCKET, **changes)}))

    assert finding.remedy == LEFT_TO_OTHERS
    assert finding.repair == Repair()


def test_a_quota_that_the_program_sets_on_the_bucket_is_kept() -> None:
    """As by a transformation; another one is drift, and the engine puts it back."""
    limited = {**CACHE[1], "inputs": {"bucket": "b", "quota": 5000}}
    made = of_state([*PROVIDERS, FIRST, limited])

    assert compare(made, Seen({"b": SeenBucket(quota_bytes=5000)})) == []
    [finding] = compare(made, Seen({"b": SeenBucket(quota_bytes=1)}))
    assert (finding.was, finding.now, finding.repair) == ("5000 bytes", "1 bytes", Repair())


def test_what_the_user_placed_below_the_cache_can_be_on_another_server() -> None:
    """It comes first in the state, and lacks what the cache's own resources have."""
    below = [
        on(EXPLICIT, "S3Bucket", "first-mirror", FIRST["urn"], inputs={"bucket": "mirror"}),
        on(DEFAULT, "S3Bucket", "drawn", FIRST["urn"], inputs={"bucketPrefix": "x"}),
        on(
            DEFAULT,
            "S3Object",
            "file",
            FIRST["urn"],
            inputs={"bucketName": "b", "objectName": "o", "source": "file"},
        ),
    ]
    state = [*PROVIDERS, FIRST, *below, *CACHE[1:]]

    assert provider_of(caches(state)[0], "minio", state).urn == DEFAULT["urn"]
    assert of_state(state) == Declared((DeclaredBucket(BUCKET_URN, "b"),), (User(USER_URN, "ci"),))


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("localhost:9000", "127.0.0.1:9000", True),
        ("localhost", "127.0.0.1", True),
        ("localhost:9000", "127.0.0.1:9001", False),
        ("localhost.example.org:9000", "127.0.0.1:9000", False),
    ],
)
def test_localhost_is_the_server_of_this_machine(one: str, other: str, is_same: bool) -> None:
    """By either of its names, so what another resource declares there is no drift."""
    providers = {
        made["urn"]: made
        for made in (
            resource("pulumi:providers:minio", name, inputs={"minioServer": server})
            for name, server in (("a", one), ("b", other))
        )
    }
    first, second = providers
    bucket = {"type": "minio:index/s3Bucket:S3Bucket", "provider": f"{first}::id"}

    assert is_on_server(bucket, second, providers) is is_same
