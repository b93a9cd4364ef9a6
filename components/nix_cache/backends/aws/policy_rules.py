"""Rules on AWS alone: buckets are encrypted and closed, logs private, roles trust one subject."""

from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.backends.aws.resource_types import BUCKET, ROLE
from nix_cache.backends.resource_types import Holder
from nix_cache.iam.documents import Statement
from nix_cache.iam.values import is_true, read, read_list
from nix_cache.iam.wildcards import is_pattern
from nix_cache.policy.model import Context, Resource, Rule, RuleScope, UnreadableError
from nix_cache.policy.storage_types import is_in, logging_into, policies_of

_ENCRYPTION = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
)
_OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_POLICY = "aws:s3/bucketPolicy:BucketPolicy"

_AGAINST_ACLS = ("blockPublicAcls", "ignorePublicAcls")
_AGAINST_POLICIES = ("blockPublicPolicy", "restrictPublicBuckets")

_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
_PINNING = frozenset({"stringequals", "stringlike"})
"""Operators that fail where a token lacks the claim. Those that end in IfExists do not, and
ForAllValues does not either."""


def _bucket(bucket: Resource, context: Context) -> Iterator[str]:
    if bucket.type != BUCKET:
        return
    if not any(_encrypts(one) for one in _set_on(bucket, _ENCRYPTION, context)):
        yield "has no encryption of its own (BucketServerSideEncryptionConfiguration)"
    if not any(_owns(one) for one in _set_on(bucket, _OWNERSHIP, context)):
        yield "still has ACLs (BucketOwnershipControls is not BucketOwnerEnforced)"
    blocks = list(_set_on(bucket, _BLOCK, context))
    wanted = [*_AGAINST_ACLS]
    if not any(map(_is_public, _set_on(bucket, _POLICY, context))):
        wanted += _AGAINST_POLICIES
    open_ = [name for name in wanted if not any(is_true(one.read(name)) for one in blocks)]
    if open_:
        yield f"is not closed to the public: {', '.join(open_)} (BucketPublicAccessBlock)"


def _log_bucket(bucket: Resource, context: Context) -> Iterator[str]:
    """Yield how the logs in a bucket could be read by all, or write logs about themselves."""
    if bucket.type != BUCKET:
        return
    logging = list(logging_into(bucket, context))
    if not logging:
        return
    if any(is_in(one, "bucket", bucket) for one in logging):
        yield "takes its own access logs"
    if any(map(_is_public, _set_on(bucket, _POLICY, context))):
        yield "takes access logs, and its policy lets anonymous requests in"
    blocks = list(_set_on(bucket, _BLOCK, context))
    closed = (*_AGAINST_ACLS, *_AGAINST_POLICIES)
    open_ = [name for name in closed if not any(is_true(one.read(name)) for one in blocks)]
    if open_:
        yield f"takes access logs and is not closed: {', '.join(open_)} (BucketPublicAccessBlock)"


def _set_on(bucket: Resource, type_token: str, context: Context) -> Iterator[Resource]:
    """Yield the resources of a type that set something on a bucket."""
    for resource in context.resources:
        if resource.type == type_token and is_in(resource, "bucket", bucket):
            yield resource


def _encrypts(resource: Resource) -> bool:
    return any(
        read(rule, "applyServerSideEncryptionByDefault", "sseAlgorithm")
        for rule in read_list(resource.properties, "rules")
    )


def _owns(resource: Resource) -> bool:
    return bool(resource.read("rule", "objectOwnership") == "BucketOwnerEnforced")


def _is_public(policy: Resource) -> bool:
    """Return whether it allows anonymous access. One that cannot be read violates another rule."""
    try:
        statements = [one for document, _ in policies_of(policy) for one in document]
    except UnreadableError:
        return False
    return any(statement.allows and statement.is_anonymous for statement in statements)


def _trust(resource: Resource, _context: Context) -> Iterator[str]:
    if resource.type != ROLE:
        return
    for document, _ in policies_of(resource, Holder.ROLE):
        for statement in document:
            if statement.allows and statement.names_action(_WEB_IDENTITY):
                yield from _not_pinned(statement)


def _not_pinned(statement: Statement) -> Iterator[str]:
    pinned = dict(_pinned(statement.conditions or {}))
    for claim, what in (("aud", "audience"), ("sub", "subject")):
        values = pinned.get(claim)
        if not values:
            yield f"trusts tokens of any {what} (no condition on :{claim})"
        for value in values or ():
            if is_pattern(value):
                yield f"trusts every {what} like {value!r} (the condition on :{claim})"


def _pinned(conditions: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """By claim, the values that a condition requires."""
    for operator in conditions:
        if operator.lower().removeprefix("foranyvalue:") in _PINNING:
            compared = read(conditions, operator) or {}
            for key in compared:
                values = [str(read(value)) for value in read_list(compared, key)]
                yield key.lower().rpartition(":")[2], values


AWS_BUCKETS = Rule(
    id="aws-buckets",
    holds="A bucket on AWS is encrypted, has no ACLs, and is closed but for what its policy opens.",
    why="each of them is what keeps a later mistake from giving everything away",
    fix="declare the three resources beside the bucket, as the backend aws does",
    check=_bucket,
    scope=RuleScope.STACK,
)

OIDC_TRUST = Rule(
    id="oidc-trust",
    holds="A role that is taken on by a token trusts one audience and named subjects.",
    why="any workflow at the same issuer could otherwise push to the cache",
    fix="pin :aud and :sub by StringEquals, as in repo:you/project:ref:refs/heads/main",
    check=_trust,
)

AWS_ACCESS_LOGS = Rule(
    id="aws-access-logs",
    holds="A bucket that takes access logs is closed to the public, and is not the logged one.",
    why="logs have the IP addresses of readers, and a bucket that logs into itself never ends",
    fix="leave access logs to aws.accessLogs, or let them go to a separate, closed bucket",
    check=_log_bucket,
    scope=RuleScope.STACK,
)

RULES = (AWS_BUCKETS, AWS_ACCESS_LOGS, OIDC_TRUST)
"""The rules."""
