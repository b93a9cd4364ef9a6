"""The bucket on AWS S3 and all that is set on it."""

import hashlib
import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws.scope import Scope
from nix_cache.backends.provisioning import TextObject
from nix_cache.backends.registry import BACKENDS
from nix_cache.iam.access import PolicyDocument, merged, tls_only_policy
from nix_cache.iam.lifecycle import NAR_PREFIX, ExpiryRule

_Rule = aws.s3.BucketLifecycleConfigurationRuleArgsDict

UNFINISHED_UPLOAD_DAYS = BACKENDS["aws"].unfinished_upload_days
"""After how many days the parts of an unfinished upload expire. They cost as objects do."""

UNFINISHED_UPLOADS: _Rule = {
    "id": "unfinished-uploads",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "abort_incomplete_multipart_upload": {"days_after_initiation": UNFINISHED_UPLOAD_DAYS},
}
"""Removes them."""

S3_KEYS: aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict = {
    "apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}
}
"""Encryption with keys that S3 keeps."""

_COLD_DAYS = {"STANDARD_IA": 30, "INTELLIGENT_TIERING": 0}
"""The least age at which an object may go to a storage class. By S3's own default, those below
128 KiB stay where they are: they would cost more."""

OWN_OBJECTS_MAX_AGE_SECONDS = 300
"""How long HTTP caches may keep the cache's metadata, until a rotated key is visible."""


def make_bucket(scope: Scope) -> aws.s3.Bucket:
    """Make the bucket: encrypted, without ACLs, and with versions if they are wanted."""
    bucket = protected_bucket(scope, f"{scope.name}-bucket", scope.bucket)
    disable_acls(scope, f"{scope.name}-ownership", bucket)
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{scope.name}-encryption",
        bucket=bucket.bucket,
        region=scope.region,
        rules=[_encryption(scope)],
        opts=scope.options(),
    )
    if scope.aws.versioning:
        aws.s3.BucketVersioning(
            f"{scope.name}-versioning",
            bucket=bucket.bucket,
            region=scope.region,
            versioning_configuration={"status": "Enabled"},
            opts=scope.options(),
        )
    return bucket


def protected_bucket(scope: Scope, resource: str, name: str) -> aws.s3.Bucket:
    """Make a bucket that is deleted, and with what is in it, only if the cache is not protected."""
    return aws.s3.Bucket(
        resource,
        bucket=name,
        region=scope.region,
        force_destroy=not scope.cache.protect,
        tags=scope.tags,
        opts=scope.options(protect=scope.cache.protect),
    )


def disable_acls(
    scope: Scope, resource: str, bucket: aws.s3.Bucket, *, deleted_with_it: bool = False
) -> aws.s3.BucketOwnershipControls:
    """Let policies alone decide who can do what to a bucket and its objects."""
    return aws.s3.BucketOwnershipControls(
        resource,
        bucket=bucket.bucket,
        region=scope.region,
        rule={"object_ownership": "BucketOwnerEnforced"},
        opts=scope.options(deleted_with=bucket if deleted_with_it else None),
    )


def block_public_access(
    scope: Scope,
    resource: str,
    bucket: aws.s3.Bucket,
    *,
    but_by_policy: bool = False,
    deleted_with_it: bool = False,
) -> aws.s3.BucketPublicAccessBlock:
    """Deny public access to a bucket.

    Args:
        scope: the cache.
        resource: the name of the resource.
        bucket: the bucket.
        but_by_policy: whether the bucket's policy can open it all the same.
        deleted_with_it: whether a bucket that cannot be deleted stays closed.
    """
    return aws.s3.BucketPublicAccessBlock(
        resource,
        bucket=bucket.bucket,
        region=scope.region,
        block_public_acls=True,
        ignore_public_acls=True,
        block_public_policy=not but_by_policy,
        restrict_public_buckets=not but_by_policy,
        opts=scope.options(deleted_with=bucket if deleted_with_it else None),
    )


def set_access(
    scope: Scope,
    bucket: aws.s3.Bucket,
    reading: pulumi.Input[PolicyDocument] | None,
    *,
    open_to_all: bool,
) -> None:
    """Allow what the reading policy names, over TLS alone, and deny everything else.

    Args:
        scope: the cache.
        bucket: its bucket.
        reading: who reads besides users of the account; None for no one.
        open_to_all: whether that includes anonymous requests. ACLs open nothing in any case.
    """
    block = block_public_access(
        scope, f"{scope.name}-public-access-block", bucket, but_by_policy=open_to_all
    )
    tls_only = tls_only_policy(scope.bucket)
    policy = pulumi.Output.from_input(reading).apply(
        lambda document: json.dumps(merged(tls_only, document) if document else tls_only)
    )
    aws.s3.BucketPolicy(
        f"{scope.name}-bucket-policy",
        bucket=bucket.bucket,
        region=scope.region,
        policy=policy,
        # While the block is still closed, S3 refuses a policy with anonymous reads.
        opts=scope.options(block),
    )


def set_lifecycle(scope: Scope, bucket: aws.s3.Bucket, rules: Sequence[ExpiryRule]) -> None:
    """Let objects go by age, unfinished uploads and noncurrent versions too, and NARs get cold."""
    expiring: list[_Rule] = [
        {
            "id": rule.id,
            "status": "Enabled",
            "filter": {"prefix": rule.prefix},
            "expiration": {"days": rule.days},
        }
        for rule in rules
    ]
    aws.s3.BucketLifecycleConfiguration(
        f"{scope.name}-lifecycle",
        bucket=bucket.bucket,
        region=scope.region,
        rules=[UNFINISHED_UPLOADS, *_cleanup(scope), *_tiering(scope), *expiring],
        opts=scope.options(),
    )


def put(scope: Scope, bucket: aws.s3.Bucket, own: TextObject) -> None:
    """Keep one small object in the bucket."""
    known = pulumi.Output.from_input(own.text)
    aws.s3.BucketObjectv2(
        f"{scope.name}-{own.key}",
        bucket=bucket.bucket,
        region=scope.region,
        key=own.key,
        content=known,
        content_type=own.content_type,
        cache_control=f"max-age={OWN_OBJECTS_MAX_AGE_SECONDS}",
        # Only by it does the provider see a changed object; KMS makes it no digest.
        etag=None if scope.aws.kms_key_arn is not None else known.apply(_md5),
        tags=scope.tags,
        opts=scope.options(),
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _encryption(scope: Scope) -> aws.s3.BucketServerSideEncryptionConfigurationRuleArgsDict:
    if (key := scope.aws.kms_key_arn) is not None:
        return {
            "apply_server_side_encryption_by_default": {
                "sse_algorithm": "aws:kms",
                "kms_master_key_id": key,
            },
            # One call of KMS for many objects: a closure has thousands.
            "bucket_key_enabled": True,
        }
    return S3_KEYS


def _cleanup(
    scope: Scope,
) -> list[_Rule]:
    if not scope.aws.versioning:
        return []
    return [
        {
            "id": "noncurrent-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": scope.aws.noncurrent_days},
            "expiration": {"expired_object_delete_marker": True},
        }
    ]


def _tiering(scope: Scope) -> list[_Rule]:
    storage_class = scope.aws.nar_storage_class
    if storage_class not in _COLD_DAYS:
        return []
    return [
        {
            "id": "cold-nars",
            "status": "Enabled",
            "filter": {"prefix": NAR_PREFIX},
            "transitions": [{"days": _COLD_DAYS[storage_class], "storage_class": storage_class}],
        }
    ]
