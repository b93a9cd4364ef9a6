"""The AWS backend, on the pulumi-aws package: the parts put together."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws import bucket as bucket_parts
from nix_cache.backends.aws import identities
from nix_cache.backends.aws.access_logs import LOGS_PREFIX, keep_access_logs
from nix_cache.backends.aws.delivery import ERROR_KEY, ERROR_TEXT, deliver
from nix_cache.backends.aws.monitoring import watch
from nix_cache.backends.aws.preflight import reservations
from nix_cache.backends.aws.scope import Scope
from nix_cache.backends.aws.settings import AwsSettings, log_bucket_name
from nix_cache.backends.provisioning import (
    AddressingStyle,
    OidcWriter,
    ProvisionedWithOidc,
    Request,
    TextObject,
    locate,
)
from nix_cache.formats.manifest import AccessLogs
from nix_cache.iam.access import anonymous_read_policy, cloudfront_read_policy
from nix_cache.iam.lifecycle import expiry_rules


def provision(request: Request) -> ProvisionedWithOidc:
    """Make a cache's storage on AWS."""
    cache, settings = request.cache, request.cache.own(AwsSettings)
    granted = reservations(cache, settings, request.name, request.parent)
    scope = Scope(request.name, cache, settings, request.parent, granted)
    bucket = bucket_parts.make_bucket(scope)
    logs = None
    if settings.access_logs is not None:
        logs = AccessLogs(bucket=log_bucket_name(cache.bucket), prefix=LOGS_PREFIX)
        keep_access_logs(scope, settings.access_logs, bucket)
    location = locate(
        cache,
        endpoint=settings.endpoint or f"https://s3.{scope.region}.amazonaws.com",
        region=scope.region,
        profile=scope.identity,
        addressing_style=AddressingStyle.PATH if settings.endpoint else AddressingStyle.VIRTUAL,
        is_default_endpoint=settings.endpoint is None,
        read_url=_open(scope, bucket),
        access_logs=logs,
    )
    bucket_parts.set_lifecycle(scope, bucket, expiry_rules(cache.expire_after_days))
    for own in request.texts(location):
        bucket_parts.put(scope, bucket, own)
    return ProvisionedWithOidc(
        bucket_name=bucket.bucket,
        location=location,
        credentials={
            user: identities.add_user(scope, cache.identity(user), privilege)
            for user, privilege in cache.privileges.items()
        },
        oidc_writers=_oidc_writers(scope, request.signing_keys),
    )


def _oidc_writers(
    scope: Scope, signing_keys: Mapping[str, pulumi.Input[str]]
) -> dict[str, OidcWriter]:
    """Make the roles. All of them trust the one provider for GitHub that an account can have."""
    writers = [writer for writer in scope.cache.writers if writer.is_oidc]
    if not writers:
        return {}
    github = identities.github_provider_arn(scope)
    return {
        writer.name: identities.add_oidc_writer(scope, github, writer, signing_keys[writer.name])
        for writer in writers
    }


def _open(scope: Scope, bucket: aws.s3.Bucket) -> pulumi.Output[str] | None:
    """Let the readers in, and watch the bucket if asked; return the URL of CloudFront, if any."""
    cdn, watched = scope.aws.cloudfront, scope.aws.monitoring
    distribution = None
    read_url = None
    if cdn is not None:
        delivery = deliver(scope, cdn, bucket)
        distribution, read_url = delivery.distribution, delivery.read_url
        reading = distribution.arn.apply(lambda arn: cloudfront_read_policy(scope.bucket, arn))
        bucket_parts.set_access(scope, bucket, reading, open_to_all=False)
        missing = TextObject(key=ERROR_KEY, text=ERROR_TEXT, content_type="text/plain")
        bucket_parts.put(scope, bucket, missing)
    else:
        reading_by_all = anonymous_read_policy(scope.bucket) if scope.cache.public else None
        bucket_parts.set_access(scope, bucket, reading_by_all, open_to_all=scope.cache.public)
    if watched is not None:
        watch(scope, watched, bucket, distribution)
    return read_url
