"""Server access logs on AWS: a private bucket that S3 delivers them to, and for how long they stay.

By https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html both
buckets have one region and one account, and the one with the logs is encrypted with keys of S3.
"""

import json

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws.bucket import (
    S3_KEYS,
    UNFINISHED_UPLOADS,
    block_public_access,
    disable_acls,
    protected_bucket,
)
from nix_cache.backends.aws.scope import Scope
from nix_cache.backends.aws.settings import AwsAccessLogsSettings, log_bucket_name
from nix_cache.iam.access import log_delivery_policy, merged, tls_only_policy

LOGS_PREFIX = "access-logs/"
"""What the keys of logs begin with. The time of delivery follows, by which they are listed."""


def keep_access_logs(scope: Scope, settings: AwsAccessLogsSettings, logged: aws.s3.Bucket) -> None:
    """Make a closed bucket, and let S3 deliver the logs of the cache's bucket to it.

    Delivery begins last and ends first. If the cache is protected, the engine therefore refuses to
    end it before it changes anything else, and whenever the bucket itself cannot be deleted, such
    as for the logs in it, the bucket stays closed and its logs go on to expire.

    Args:
        scope: the cache.
        settings: of the logs.
        logged: the cache's bucket.
    """
    name, prefix = log_bucket_name(scope.bucket), f"{scope.name}-log-bucket"
    bucket = protected_bucket(scope, prefix, name)
    ownership = disable_acls(scope, f"{prefix}-ownership", bucket, deleted_with_it=True)
    block = block_public_access(
        scope, f"{prefix}-public-access-block", bucket, deleted_with_it=True
    )
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        f"{prefix}-encryption",
        bucket=bucket.bucket,
        region=scope.region,
        # S3 delivers no logs to a bucket that another key encrypts.
        rules=[S3_KEYS],
        opts=scope.options(deleted_with=bucket),
    )
    lifecycle = aws.s3.BucketLifecycleConfiguration(
        f"{prefix}-lifecycle",
        bucket=bucket.bucket,
        region=scope.region,
        rules=[
            UNFINISHED_UPLOADS,
            {
                "id": "access-logs",
                "status": "Enabled",
                "filter": {"prefix": LOGS_PREFIX},
                "expiration": {"days": settings.expire_after_days},
            },
        ],
        opts=scope.options(deleted_with=bucket),
    )
    delivery = aws.s3.BucketPolicy(
        f"{prefix}-policy",
        bucket=bucket.bucket,
        region=scope.region,
        policy=_account_id(scope).apply(
            lambda account: json.dumps(
                merged(
                    log_delivery_policy(name, LOGS_PREFIX, scope.bucket, account),
                    tls_only_policy(name),
                )
            )
        ),
        opts=scope.options(block, deleted_with=bucket),
    )
    aws.s3.BucketLogging(
        f"{scope.name}-logging",
        bucket=logged.bucket,
        region=scope.region,
        target_bucket=bucket.bucket,
        target_prefix=LOGS_PREFIX,
        # S3 refuses a target to which it cannot deliver.
        opts=scope.options(
            *(delivery, ownership, encryption, lifecycle), protect=scope.cache.protect
        ),
    )


def _account_id(scope: Scope) -> pulumi.Output[str]:
    """Return the account of both buckets."""
    asking = pulumi.InvokeOutputOptions(parent=scope.parent)
    return aws.get_caller_identity_output(opts=asking).account_id
