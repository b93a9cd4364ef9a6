"""Resources and stacks for the rules to look at, in as few words as possible."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nix_cache.policy.judgement import Verdict, judge
from nix_cache.policy.model import Context, Resource, Rule

B2 = "pulumi-python:dynamic/nix-cache"
MINIO_POLICY = "minio:index/iamPolicy:IamPolicy"
MINIO_BUCKET = "minio:index/s3Bucket:S3Bucket"
MINIO_BUCKET_POLICY = "minio:index/s3BucketPolicy:S3BucketPolicy"
MINIO_LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
MINIO_OBJECT = "minio:index/s3Object:S3Object"
AWS_BUCKET = "aws:s3/bucket:Bucket"
AWS_BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
AWS_LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
AWS_OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
AWS_ROLE = "aws:iam/role:Role"
AWS_USER_POLICY = "aws:iam/userPolicy:UserPolicy"
SPACES_BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
SPACES_BUCKET_POLICY = "digitalocean:index/spacesBucketPolicy:SpacesBucketPolicy"
SPACES_KEY = "digitalocean:index/spacesKey:SpacesKey"
SPACES_OBJECT = "digitalocean:index/spacesBucketObject:SpacesBucketObject"
B2_BUCKET = f"{B2}:B2Bucket"
B2_KEY = f"{B2}:B2Key"
B2_OBJECT = f"{B2}:B2TextObject"
SIGNING_KEY = f"{B2}:SigningKey"
CACHE = "nix-cache:index:BinaryCache"


def resource(type_token: str, properties: Mapping[str, Any] | None = None, **more: Any) -> Resource:
    """Return a resource of a type; its name and URN are ``it``, unless they are given."""
    name = more.pop("name", "it")
    return Resource(type_token, name, more.pop("urn", name), properties or {}, **more)


def verdict(
    rule: Rule,
    subject: Resource,
    *others: Resource,
    stack: str = "prod",
    environment: Mapping[str, str] | None = None,
    stack_file: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Verdict:
    """Return what a rule finds in a resource of a stack with these others."""
    context = Context(stack, settings, (subject, *others), environment or {}, stack_file)
    return judge(rule, subject, context)


def found(rule: Rule, subject: Resource, *others: Resource, **more: Any) -> str:
    """Return the violations, one after the other; nothing may be unknown."""
    result = verdict(rule, subject, *others, **more)
    assert not result.not_yet_known, result.not_yet_known
    return "\n".join(result.violations)


def unknown(rule: Rule, subject: Resource, *others: Resource, **more: Any) -> str:
    """Return what is not known yet; nothing may be wrong besides."""
    result = verdict(rule, subject, *others, **more)
    assert not result.violations, result.violations
    return result.not_yet_known


def document(*statements: Mapping[str, Any]) -> str:
    """Return a policy document as it is sent."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(
    actions: str | Sequence[str], resources: Any = "arn:aws:s3:::b/*", **more: Any
) -> dict[str, Any]:
    """Return a statement that allows; without a Resource if that is None."""
    where = {} if resources is None else {"Resource": resources}
    return {"Effect": "Allow", "Action": actions, **where, **more}


def deny(
    actions: str | Sequence[str], resources: Any = "arn:aws:s3:::b/*", **more: Any
) -> dict[str, Any]:
    """Return a statement that denies."""
    return {**allow(actions, resources, **more), "Effect": "Deny"}
