"""The AWS backend, on the pulumi-aws package: the parts put together."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws.settings import AwsSettings
from nix_cache.backends.provisioning import (
    AddressingStyle,
    OidcWriter,
    ProvisionedWithOidc,
    Request,
    TextObject,
    locate,
)
from nix_cache.iam.access import anonymous_read_policy, cloudfront_read_policy
from nix_cache.iam.lifecycle import expiry_rules
from nix_cache.storage import aws_bucket, aws_identities
from nix_cache.storage.aws_delivery import ERROR_KEY, ERROR_TEXT, deliver
from nix_cache.storage.aws_preflight import reservations
from nix_cache.storage.aws_scope import Scope
from nix_cache.storage.aws_watching import watch


def provision(request: Request) -> ProvisionedWithOidc:
    """Make a cache's storage on AWS."""
    cache, settings = request.cache, request.cache.own(AwsSettings)
    granted = reservations(cache, settings, request.name, request.parent)
    scope = Scope(request.name, cache, settings, request.parent, granted)
    bucket = aws_bucket.make_bucket(scope)
    location = locate(
        cache,
        endpoint=settings.endpoint or f"https://s3.{scope.region}.amazonaws.com",
        region=scope.region,
        profile=scope.identity,
        addressing_style=AddressingStyle.PATH if settings.endpoint else AddressingStyle.VIRTUAL,
        is_default_endpoint=settings.endpoint is None,
        read_url=_open(scope, bucket),
    )
    aws_bucket.set_lifecycle(scope, bucket, expiry_rules(cache.expire_after_days))
    for own in request.texts(location):
        aws_bucket.put(scope, bucket, own)
    return ProvisionedWithOidc(
        bucket_name=bucket.bucket,
        location=location,
        credentials={
            user: aws_identities.add_user(scope, user, privilege)
            for user, privilege in cache.privileges.items()
        },
        oidc_writers=_oidc_writers(scope, request.signing_keys),
    )


def _oidc_writers(
    scope: Scope, signing_keys: Mapping[str, pulumi.Input[str]]
) -> dict[str, OidcWriter]:
    """Make the roles. All of them trust the one provider for GitHub that an account can have."""
    writers = [writer for writer in scope.cache.writers if writer.is_keyless]
    if not writers:
        return {}
    github = aws_identities.github_provider_arn(scope)
    return {
        writer.name: aws_identities.add_oidc_writer(
            scope, github, writer, signing_keys[writer.name]
        )
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
        aws_bucket.set_access(scope, bucket, reading, open_to_all=False)
        missing = TextObject(key=ERROR_KEY, text=ERROR_TEXT, content_type="text/plain")
        aws_bucket.put(scope, bucket, missing)
    else:
        reading_by_all = anonymous_read_policy(scope.bucket) if scope.cache.public else None
        aws_bucket.set_access(scope, bucket, reading_by_all, open_to_all=scope.cache.public)
    if watched is not None:
        watch(scope, watched, bucket, distribution)
    return read_url
