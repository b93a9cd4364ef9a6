"""Rules on AWS alone."""

from typing import Any

import pytest

from nix_cache.backends.aws.policy_rules import AWS_ACCESS_LOGS, AWS_BUCKETS, OIDC_TRUST
from nix_cache.iam import access
from nix_cache.iam.values import UNKNOWN
from nix_cache.policy.model import Resource
from tests.policies.stacks import (
    AWS_BUCKET,
    AWS_BUCKET_POLICY,
    AWS_ROLE,
    allow,
    document,
    found,
    resource,
    unknown,
)

BUCKET = resource(AWS_BUCKET, {"bucket": "b"}, name="bucket")
SSE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
OWNERSHIP_CONTROLS = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
CLOSED = dict.fromkeys(
    ("blockPublicAcls", "ignorePublicAcls", "blockPublicPolicy", "restrictPublicBuckets"), True
)
OPEN_POLICY = {**CLOSED, "blockPublicPolicy": False, "restrictPublicBuckets": False}
ISSUER = "token.actions.githubusercontent.com"


def beside(type_token: str, bucket: Any = "b", **properties: Any) -> Resource:
    """Something that is set on a bucket."""
    return resource(type_token, {"bucket": bucket, **properties}, name=type_token)


def encryption(**more: Any) -> Resource:
    """Encryption by keys of S3's."""
    rule = {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    return beside(SSE, rules=[rule], **more)


def ownership(value: Any = "BucketOwnerEnforced", **more: Any) -> Resource:
    """Who owns what is put."""
    return beside(OWNERSHIP_CONTROLS, rule={"objectOwnership": value}, **more)


def block(properties: dict[str, Any], **more: Any) -> Resource:
    """Return what keeps the public out."""
    return beside(BLOCK, **properties, **more)


def reading(principal: Any) -> Resource:
    """Return a bucket policy that allows a principal to read."""
    return beside(AWS_BUCKET_POLICY, policy=document(allow("s3:GetObject", Principal=principal)))


def test_a_closed_bucket_is_right() -> None:
    """Whether the settings say its name, or come from it."""
    by_name = [encryption(), ownership(), block(CLOSED)]
    from_it = [
        resource(one.type, {**one.properties, "bucket": UNKNOWN}, dependencies={"bucket": ["b"]})
        for one in by_name
    ]

    assert not found(AWS_BUCKETS, BUCKET, *by_name)
    assert not found(AWS_BUCKETS, resource(AWS_BUCKET, urn="b"), *from_it)


@pytest.mark.parametrize(
    ("others", "what"),
    [
        ([ownership(), block(CLOSED)], "no encryption"),
        ([encryption(bucket="other"), ownership(), block(CLOSED)], "no encryption"),
        ([beside(SSE, rules=[{}]), ownership(), block(CLOSED)], "no encryption"),
        ([encryption(), block(CLOSED)], "still has ACLs"),
        ([encryption(), ownership("BucketOwnerPreferred"), block(CLOSED)], "still has ACLs"),
        ([encryption(), ownership()], "blockPublicAcls"),
        ([encryption(), ownership(), block(OPEN_POLICY)], "restrictPublicBuckets"),
        ([encryption(), ownership(), block({**CLOSED, "ignorePublicAcls": None})], "ignorePublic"),
    ],
)
def test_what_is_missing_beside_a_bucket_is_named(others: list[Resource], what: str) -> None:
    """And nothing else."""
    violations = found(AWS_BUCKETS, BUCKET, *others)

    assert what in violations
    assert violations.count("why:") == 1


def test_a_bucket_alone_lacks_everything() -> None:
    """Each of the three is said."""
    assert found(AWS_BUCKETS, BUCKET).count("why:") == 3


def test_a_public_cache_is_open_by_its_policy_alone() -> None:
    """Never by ACLs. A delivery network is not the public."""
    settings = [encryption(), ownership(), block(OPEN_POLICY)]
    acls = block({**OPEN_POLICY, "blockPublicAcls": False})

    assert not found(AWS_BUCKETS, BUCKET, *settings, reading("*"))
    cloudfront = reading({"Service": "cloudfront.amazonaws.com"})
    assert "blockPublicPolicy" in found(AWS_BUCKETS, BUCKET, *settings, cloudfront)
    assert "blockPublicAcls" in found(
        AWS_BUCKETS, BUCKET, encryption(), ownership(), acls, reading("*")
    )


@pytest.mark.parametrize(
    "others",
    [
        [encryption(), ownership(UNKNOWN), block(CLOSED)],
        [encryption(), ownership(), block({**CLOSED, "blockPublicAcls": UNKNOWN})],
        [encryption(bucket=UNKNOWN), ownership(), block(CLOSED)],
        [encryption(), ownership(), block(OPEN_POLICY), beside(AWS_BUCKET_POLICY, policy=UNKNOWN)],
    ],
)
def test_what_is_not_known_yet_beside_a_bucket_is_reported(others: list[Resource]) -> None:
    """Its value, or which bucket it is for."""
    assert "is not known yet" in unknown(AWS_BUCKETS, BUCKET, *others)


def logging(bucket: Any = "cache", target: Any = "b", **more: Any) -> Resource:
    """Return what puts the access logs of a bucket into another one."""
    properties = {"bucket": bucket, "targetBucket": target}
    return resource("aws:s3/bucketLogging:BucketLogging", properties, name="logging", **more)


def test_a_closed_bucket_takes_access_logs() -> None:
    """Whether its name says so, or where that comes from."""
    by_urn = logging(target=UNKNOWN, dependencies={"targetBucket": ["bucket"]})

    assert not found(AWS_ACCESS_LOGS, BUCKET, block(CLOSED), logging())
    assert not found(AWS_ACCESS_LOGS, BUCKET, block(CLOSED), by_urn)


@pytest.mark.parametrize(
    ("others", "what"),
    [
        ([logging()], "is not closed: blockPublicAcls"),
        ([logging(), block(OPEN_POLICY)], "is not closed: blockPublicPolicy"),
        ([logging(), block(CLOSED), reading("*")], "its policy lets anonymous requests in"),
        ([logging(bucket="b"), block(CLOSED)], "takes its own access logs"),
    ],
)
def test_logs_that_all_can_read_or_that_never_end_are_refused(
    others: list[Resource], what: str
) -> None:
    violations = found(AWS_ACCESS_LOGS, BUCKET, *others)

    assert what in violations
    assert violations.count("why:") == 1


def test_a_bucket_that_takes_no_logs_may_be_public() -> None:
    """As that of a public cache. Where logs go may not be known yet."""
    opened = [block(OPEN_POLICY), reading("*")]

    assert not found(AWS_ACCESS_LOGS, BUCKET, *opened, logging(bucket="b", target="other"))
    assert unknown(AWS_ACCESS_LOGS, BUCKET, *opened, logging(target=UNKNOWN))


def test_buckets_elsewhere_do_not_concern_aws() -> None:
    """MinIO has none of it."""
    assert not found(AWS_BUCKETS, resource("minio:index/s3Bucket:S3Bucket"))


def trust(condition: Any, action: Any = "sts:AssumeRoleWithWebIdentity") -> Resource:
    """Return a role that GitHub's tokens take on."""
    statement = {
        "Effect": "Allow",
        "Action": action,
        "Principal": {"Federated": "arn:aws:iam::1:oidc-provider/github"},
        **({"Condition": condition} if condition is not None else {}),
    }
    return resource(AWS_ROLE, {"assumeRolePolicy": document(statement)})


def pin(**claims: Any) -> dict[str, Any]:
    """Claims under the issuer's name."""
    return {f"{ISSUER}:{claim}": value for claim, value in claims.items()}


AUD = "sts.amazonaws.com"
SUB = "repo:team/cache:ref:refs/heads/main"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": pin(aud=AUD, sub=SUB)},
        {"StringEquals": pin(aud=[AUD], sub=[SUB, "repo:team/cache:environment:prod"])},
        {"StringEquals": {f"{ISSUER.upper()}:AUD": AUD}, "StringLike": pin(sub=SUB)},
        {"ForAnyValue:StringEquals": pin(aud=AUD), "StringEquals": pin(sub=SUB)},
    ],
)
def test_a_role_that_trusts_one_subject_is_right(condition: dict[str, Any]) -> None:
    """However the condition is written."""
    assert not found(OIDC_TRUST, trust(condition))


@pytest.mark.parametrize("environment", [None, "production"])
def test_the_roles_of_the_component_are_right(environment: str | None) -> None:
    """For a branch, and for an environment."""
    subject = access.github_subject("team/cache", branch="main", environment=environment)
    statement = access.github_trust_policy("arn", subject)["Statement"][0]

    assert not found(OIDC_TRUST, resource(AWS_ROLE, {"assumeRolePolicy": document(statement)}))


@pytest.mark.parametrize(
    ("condition", "what"),
    [
        (None, "any audience"),
        ({}, "any subject"),
        ({"StringEquals": pin(aud=AUD)}, "any subject"),
        ({"StringEquals": pin(sub=SUB)}, "any audience"),
        ({"StringEquals": pin(aud=AUD), "StringLike": pin(sub="repo:team/*")}, "'repo:team/*'"),
        ({"StringLike": pin(aud="*", sub=SUB)}, "every audience like '*'"),
        ({"StringEquals": pin(aud=AUD), "StringLike": pin(sub=[SUB, "repo:*"])}, "'repo:*'"),
        ({"StringEqualsIfExists": pin(aud=AUD, sub=SUB)}, "any subject"),
        ({"ForAllValues:StringEquals": pin(aud=AUD, sub=SUB)}, "any subject"),
        ({"StringNotEquals": pin(aud=AUD, sub=SUB)}, "any subject"),
        ({"StringEquals": pin(aud=AUD, sub=[])}, "any subject"),
    ],
)
def test_a_role_that_trusts_more_is_wrong(condition: Any, what: str) -> None:
    """By no condition, by a pattern, or by one that holds where the claim is missing."""
    assert what in found(OIDC_TRUST, trust(condition))


@pytest.mark.parametrize("action", ["sts:*", "*", "sts:assumerolewithwebidentity", ["a", "sts:A*"]])
def test_a_role_is_taken_on_by_any_name_of_the_action(action: Any) -> None:
    """A wildcard also stands for it."""
    assert "any subject" in found(OIDC_TRUST, trust(None, action))


def test_roles_for_services_and_accounts_have_no_subject() -> None:
    """Nor do other resources; and what is not known yet is reported."""
    service = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2"}}

    assert not found(OIDC_TRUST, resource(AWS_ROLE, {"assumeRolePolicy": document(service)}))
    assert not found(OIDC_TRUST, resource(AWS_ROLE))
    assert not found(OIDC_TRUST, BUCKET)
    assert unknown(OIDC_TRUST, resource(AWS_ROLE, {"assumeRolePolicy": UNKNOWN}))
    assert "is not JSON" in found(OIDC_TRUST, resource(AWS_ROLE, {"assumeRolePolicy": "{"}))
