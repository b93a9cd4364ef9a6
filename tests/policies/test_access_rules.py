"""Rules on who may do what, on every backend."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.iam import access
from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.model import Resource
from nix_cache.policy.rules.access import ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE
from tests.policies.stacks import (
    AWS_BUCKET,
    AWS_BUCKET_POLICY,
    AWS_ROLE,
    AWS_USER_POLICY,
    B2_BUCKET,
    B2_KEY,
    MINIO_BUCKET,
    MINIO_BUCKET_POLICY,
    MINIO_POLICY,
    SPACES_BUCKET,
    SPACES_BUCKET_POLICY,
    SPACES_OBJECT,
    allow,
    deny,
    document,
    found,
    resource,
    unknown,
)

BUCKET_POLICIES = [MINIO_BUCKET_POLICY, AWS_BUCKET_POLICY, SPACES_BUCKET_POLICY, AWS_BUCKET]
USER_POLICIES = [
    MINIO_POLICY,
    "minio:index/iamGroupPolicy:IamGroupPolicy",
    "minio:index/iamServiceAccount:IamServiceAccount",
    AWS_USER_POLICY,
    "aws:iam/policy:Policy",
    "aws:iam/groupPolicy:GroupPolicy",
    "aws:iam/rolePolicy:RolePolicy",
]
ANY_PRINCIPAL: dict[str, Any] = {"Principal": {"AWS": ["*"]}}
DENY_WITHOUT_TLS = deny(
    "s3:*", "*", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}
)


def policy(type_token: str, *statements: dict[str, Any]) -> Resource:
    """Return a resource with a policy document."""
    return resource(type_token, {"policy": document(*statements)})


@pytest.mark.parametrize("type_token", BUCKET_POLICIES)
def test_anonymous_requests_may_read_objects(type_token: str) -> None:
    """With a denial of everything without TLS beside it, as well."""
    reading = policy(type_token, allow("s3:GetObject", **ANY_PRINCIPAL), DENY_WITHOUT_TLS)

    assert not found(ANONYMOUS_ACCESS, reading)
    assert not found(NO_WILDCARDS, reading)


@pytest.mark.parametrize("type_token", BUCKET_POLICIES)
@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (allow("s3:ListBucket", "arn:aws:s3:::b", **ANY_PRINCIPAL), "s3:ListBucket"),
        (allow(["s3:GetObject", "s3:PutObject"], **ANY_PRINCIPAL), "s3:PutObject"),
        (allow("S3:DeleteObject", Principal="*"), "s3:DeleteObject"),
        (allow("s3:*", "*", Principal="*"), "s3:ListBucket"),
        (allow("s3:*", Principal="*"), "s3:DeleteObject"),
        (allow("s3:*", Principal="*"), "s3:PutObject"),
        (allow("s3:List*", "arn:aws:s3:::*", **ANY_PRINCIPAL), "s3:ListBucketVersions"),
        (allow("s3:PutObject", NotPrincipal={"AWS": "1"}), "s3:PutObject"),
        (allow("s3:PutObject", Condition={"IpAddress": {}}, **ANY_PRINCIPAL), "s3:PutObject"),
        (
            {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*", "Principal": "*"},
            "s3:PutObject",
        ),
        (allow("s3:GetBucketPolicy", "arn:aws:s3:::b", **ANY_PRINCIPAL), "s3:GetBucketPolicy"),
    ],
)
def test_anonymous_requests_may_do_nothing_else(
    type_token: str, statement: dict[str, Any], named: str
) -> None:
    """However it is written."""
    assert named in found(ANONYMOUS_ACCESS, policy(type_token, statement))


@pytest.mark.parametrize(
    "statements",
    [
        [allow("s3:*", "arn:aws:s3:::b", Principal={"AWS": "123456789012"})],
        [allow("s3:*", Principal={"Service": "cloudfront.amazonaws.com"})],
        [
            allow(["s3:GetObject", "s3:PutObject"], **ANY_PRINCIPAL),
            deny("s3:PutObject", Principal="*"),
        ],
        [
            allow("s3:*", ["arn:aws:s3:::b", "arn:aws:s3:::b/*"], Principal="*"),
            {"Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "*", "Principal": "*"},
        ],
    ],
)
def test_what_anonymous_requests_cannot_do_is_not_counted(statements: list[dict[str, Any]]) -> None:
    """It is for a user, is about nothing, or is denied to all users."""
    assert not found(ANONYMOUS_ACCESS, policy(MINIO_BUCKET_POLICY, *statements))


@pytest.mark.parametrize("type_token", USER_POLICIES)
def test_what_is_attached_to_a_user_is_not_anonymous(type_token: str) -> None:
    """Even if it names a principal, which the services ignore there. It is a wildcard, though."""
    mistaken = policy(type_token, allow("s3:ListBucket", "arn:aws:s3:::b", **ANY_PRINCIPAL))

    assert not found(ANONYMOUS_ACCESS, mistaken)
    assert "the principal 'AWS:*'" in found(NO_WILDCARDS, mistaken)


@pytest.mark.parametrize(
    ("type_token", "acl", "is_open"),
    [
        (MINIO_BUCKET, "private", False),
        (MINIO_BUCKET, "public-read", True),
        (MINIO_BUCKET, "public", True),
        (MINIO_BUCKET, "public-write", True),
        (MINIO_BUCKET, None, False),
        (AWS_BUCKET, "public-read-write", True),
        (AWS_BUCKET, "authenticated-read", True),
        (AWS_BUCKET, "log-delivery-write", False),
        ("aws:s3/bucketAcl:BucketAcl", "public-read-write", True),
        (SPACES_BUCKET, "public-read", True),
        (SPACES_BUCKET, "private", False),
        (SPACES_OBJECT, "public-read", False),
        (SPACES_OBJECT, "public-read-write", True),
    ],
)
def test_a_canned_acl_opens_no_bucket(type_token: str, acl: str | None, is_open: bool) -> None:
    """What the provider does without one is closed; one object may be public."""
    assert bool(found(ANONYMOUS_ACCESS, resource(type_token, {"acl": acl}))) is is_open


def test_a_grant_opens_no_bucket() -> None:
    """The long form of an ACL."""
    all_users = "http://acs.amazonaws.com/groups/global/AllUsers"
    named = resource(AWS_BUCKET, {"grants": [{"uri": all_users, "permissions": ["READ"]}]})
    owner = resource(AWS_BUCKET, {"grants": [{"id": "1", "permissions": ["FULL_CONTROL"]}]})

    assert "AllUsers" in found(ANONYMOUS_ACCESS, named)
    assert not found(ANONYMOUS_ACCESS, owner)


@pytest.mark.parametrize("kind", ["allPublic", "allPrivate"])
def test_b2_denies_anonymous_listing_of_every_bucket(kind: str) -> None:
    """A public bucket is read by name there."""
    assert not found(ANONYMOUS_ACCESS, resource(B2_BUCKET, {"type": kind}))


@pytest.mark.parametrize("rule", [ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE])
@pytest.mark.parametrize("type_token", [*BUCKET_POLICIES, *USER_POLICIES])
def test_a_document_that_is_not_known_yet_is_reported(rule: Any, type_token: str) -> None:
    """It is neither right nor wrong. That of a user does not affect anonymous access."""
    subject = resource(type_token, {"policy": UNKNOWN, "acl": "private"})

    assert unknown(rule, subject) == "policy is not known yet"


@pytest.mark.parametrize("rule", [ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE])
@pytest.mark.parametrize("type_token", BUCKET_POLICIES)
def test_a_document_that_is_none_is_wrong(rule: Any, type_token: str) -> None:
    """It is refused rather than taken for harmless."""
    assert "is not JSON" in found(rule, resource(type_token, {"policy": "{"}))


@pytest.mark.parametrize("rule", [ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE])
@pytest.mark.parametrize("type_token", [*BUCKET_POLICIES, *USER_POLICIES, B2_KEY, AWS_ROLE])
def test_no_document_is_no_mistake(rule: Any, type_token: str) -> None:
    """A bucket without a policy, and a service account with its user's rights."""
    assert not found(rule, resource(type_token))


@pytest.mark.parametrize("type_token", [*BUCKET_POLICIES, *USER_POLICIES])
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (allow("s3:*", Principal={"AWS": "1"}), "the action 's3:*'"),
        (allow("S3:Get*", Principal={"AWS": "1"}), "the action 'S3:Get*'"),
        (allow("*", Principal={"AWS": "1"}), "the action '*'"),
        (allow("s3:?etObject", Principal={"AWS": "1"}), "'s3:?etObject'"),
        ({"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": "*"}, "every action but"),
        ({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "a"}, "everything but a"),
        (allow("s3:GetObject", NotPrincipal={"AWS": "1"}), "everyone except AWS:1"),
        (allow("s3:PutObject", Principal="*"), "the principal '*'"),
        (allow(["s3:GetObject", "s3:ListBucket"], **ANY_PRINCIPAL), "the principal 'AWS:*'"),
        (allow("s3:GetObject", Principal={"Federated": "*"}), "the principal 'Federated:*'"),
    ],
)
def test_no_statement_allows_a_wildcard(
    type_token: str, statement: dict[str, Any], what: str
) -> None:
    """Neither as action nor as principal, nor by naming what is not meant."""
    assert what in found(NO_WILDCARDS, policy(type_token, statement))


@pytest.mark.parametrize("type_token", USER_POLICIES)
def test_a_denial_may_have_wildcards(type_token: str) -> None:
    """As the one that denies users the administration of MinIO."""
    denying = policy(type_token, allow("s3:GetObject"), deny("admin:*"), deny("s3:*", "*"))

    assert not found(NO_WILDCARDS, denying)


def test_a_role_is_not_anonymous() -> None:
    """Its trust policy and what is written into it are read too."""
    trusting = resource(
        AWS_ROLE,
        {
            "assumeRolePolicy": document(allow("sts:AssumeRole", None, Principal={"AWS": "*"})),
            "inlinePolicies": [{"name": "n", "policy": document(allow("s3:*"))}],
            "managedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"],
        },
    )

    violations = found(NO_WILDCARDS, trusting)
    assert "the principal 'AWS:*'" in violations
    assert "the action 's3:*'" in violations
    assert "AdministratorAccess" in violations


@pytest.mark.parametrize(
    ("type_token", "place", "name", "is_ready_made"),
    [
        ("minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment", "policyName", name, wide)
        for name, wide in (("readwrite", True), ("consoleAdmin", True), ("nix-cache-write", False))
    ]
    + [
        ("aws:iam/userPolicyAttachment:UserPolicyAttachment", "policyArn", arn, wide)
        for arn, wide in (
            ("arn:aws:iam::aws:policy/AmazonS3FullAccess", True),
            ("arn:aws:iam::123456789012:policy/own", False),
        )
    ],
)
def test_policies_that_the_service_brings_along_are_too_wide(
    type_token: str, place: str, name: str, is_ready_made: bool
) -> None:
    """They are for every bucket; no document in the stack shows it."""
    attachment = resource(type_token, {place: name})

    assert bool(found(NO_WILDCARDS, attachment)) is is_ready_made
    assert unknown(NO_WILDCARDS, resource(type_token, {place: UNKNOWN}))


@pytest.mark.parametrize("type_token", [*USER_POLICIES, *BUCKET_POLICIES])
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (allow("s3:DeleteObject"), "s3:DeleteObject"),
        (allow("s3:deleteobjectversion", "arn:aws:s3:::b/nar/*"), "s3:DeleteObjectVersion"),
        (allow("s3:*", "arn:aws:s3:::b"), "s3:DeleteBucket"),
        (allow("s3:PutLifecycleConfiguration", "*"), "s3:PutLifecycleConfiguration"),
        (allow("s3:PutObject"), "s3:PutObject on nix-cache-info"),
        (allow("s3:PutObject", "arn:aws:s3:::*"), "s3:PutObject on nix-cache-info"),
        (allow("s3:PutObject", "arn:aws:s3:::b/n*"), "s3:PutObject on nix-cache-info"),
        (allow("s3:Put*", "arn:aws:s3:::b/nix-cache-????"), "s3:PutObject"),
        (
            {"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": "*"},
            "s3:PutObject",
        ),
        (
            {"Effect": "Allow", "Action": "s3:PutObject", "NotResource": "arn:aws:s3:::b/nar/*"},
            "s3:PutObject on nix-cache-info",
        ),
        (allow("s3:PutObject", "arn:aws:s3:::b/${aws:username}*"), "on nix-cache-info"),
    ],
)
def test_writers_neither_delete_nor_touch_the_info(
    type_token: str, statement: dict[str, Any], what: str
) -> None:
    """The holder of the document."""
    named = {**statement, "Principal": {"AWS": "123456789012"}}

    assert what in found(WRITERS_ONLY_WRITE, policy(type_token, named))


@pytest.mark.parametrize("type_token", USER_POLICIES)
def test_writers_write_what_nix_writes(type_token: str) -> None:
    """By the keys themselves, or by everything but the info."""
    by_key = resource(type_token, {"policy": document(*access.writer_policy("b")["Statement"])})
    but_info = policy(
        type_token,
        allow("s3:PutObject"),
        deny(["s3:PutObject", "s3:PutObjectAcl"], "arn:aws:s3:::b/nix-cache-info"),
    )

    assert not found(WRITERS_ONLY_WRITE, by_key)
    assert not found(WRITERS_ONLY_WRITE, but_info)


def test_a_janitor_deletes_but_does_not_touch_the_info() -> None:
    """Known by the name of the resource, which the stack's configuration may say otherwise."""
    but_info = deny("s3:DeleteObject", "arn:aws:s3:::b/nix-cache-info")
    cleaning = document(allow("s3:DeleteObject"), but_info)
    janitor = resource(MINIO_POLICY, {"policy": cleaning}, name="nix-cache-janitor-policy")
    writer = resource(MINIO_POLICY, {"policy": cleaning}, name="nix-cache-janitor-bob-write")
    careless = resource(
        MINIO_POLICY, {"policy": document(allow("s3:DeleteObject"))}, name="nix-cache-janitor"
    )

    assert not found(WRITERS_ONLY_WRITE, janitor)
    assert "s3:DeleteObject" in found(WRITERS_ONLY_WRITE, writer)
    assert "on nix-cache-info" in found(WRITERS_ONLY_WRITE, careless)
    assert "s3:DeleteObject" in found(WRITERS_ONLY_WRITE, janitor, janitors=["sweeper"])


@pytest.mark.parametrize(
    ("capabilities", "what"),
    [
        (["readFiles", "writeFiles"], ""),
        (["readFiles", "deleteFiles"], "deleteFiles"),
        (["writeBuckets"], "writeBuckets"),
        ([], ""),
    ],
)
def test_a_key_of_b2_does_not_delete(capabilities: list[str], what: str) -> None:
    """Nor set a lifecycle, which deletes."""
    violations = found(WRITERS_ONLY_WRITE, resource(B2_KEY, {"capabilities": capabilities}))

    assert what in violations
    assert bool(violations) is bool(what)


def test_capabilities_that_are_not_known_yet_are_reported() -> None:
    """All of them, or one."""
    for capabilities in (UNKNOWN, ["readFiles", UNKNOWN]):
        assert unknown(WRITERS_ONLY_WRITE, resource(B2_KEY, {"capabilities": capabilities}))


@given(st.from_regex(r"[a-z][a-z0-9-]{2,20}", fullmatch=True))
def test_what_the_component_writes_is_right_for_every_bucket(bucket: str) -> None:
    """Its own documents, whatever the bucket's name."""
    reading = access.anonymous_read_policy(bucket)["Statement"]
    writing = access.without_administration(access.writer_policy(bucket))["Statement"]
    for rule in (ANONYMOUS_ACCESS, NO_WILDCARDS, WRITERS_ONLY_WRITE):
        assert not found(rule, policy(MINIO_BUCKET_POLICY, *reading))
        assert not found(rule, policy(MINIO_POLICY, *writing))
