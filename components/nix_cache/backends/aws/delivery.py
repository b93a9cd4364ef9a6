"""CloudFront before a closed bucket: what it keeps for how long, and under which name."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws.scope import CDN_REGION, Scope
from nix_cache.backends.aws.settings import CloudFrontSettings
from nix_cache.iam.lifecycle import LANDING_PAGE_KEY, NAR_PREFIX

NAR_TTL_SECONDS = 365 * 24 * 3600
"""A NAR's name has its hash: it never changes."""

ERROR_TTL_SECONDS = 10
"""How long a missing narinfo stays missing: it may be pushed the next moment."""

ERROR_KEY = "error.txt"
"""What is sent where nothing is. No hash starts with an e, so no expiry rule meets it."""

ERROR_TEXT = "There is no such object in this cache.\n"

_CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
"""The id of AWS's own cache policy: a day, unless an object says otherwise; queries are nothing."""

_ORIGIN = "bucket"


@dataclass(frozen=True)
class Delivery:
    """A distribution, and where it is read."""

    distribution: aws.cloudfront.Distribution
    read_url: pulumi.Output[str]


def deliver(scope: Scope, settings: CloudFrontSettings, bucket: aws.s3.Bucket) -> Delivery:
    """Put a distribution before the bucket, under its own name or the one that is given."""
    signing = aws.cloudfront.OriginAccessControl(
        f"{scope.name}-origin-access",
        name=scope.bucket,
        origin_access_control_origin_type="s3",
        signing_behavior="always",
        signing_protocol="sigv4",
        opts=scope.options(),
    )
    certificate = _certificate(scope, settings)
    distribution = aws.cloudfront.Distribution(
        f"{scope.name}-distribution",
        comment=f"Nix cache {scope.bucket}",
        enabled=True,
        is_ipv6_enabled=True,
        http_version="http2and3",
        price_class=settings.price_class,
        aliases=[] if settings.domain_name is None else [settings.domain_name],
        default_root_object=LANDING_PAGE_KEY,
        origins=[
            {
                "origin_id": _ORIGIN,
                "domain_name": bucket.bucket_regional_domain_name,
                "origin_access_control_id": signing.id,
            }
        ],
        default_cache_behavior={
            "target_origin_id": _ORIGIN,
            "viewer_protocol_policy": "redirect-to-https",
            "allowed_methods": ["GET", "HEAD"],
            "cached_methods": ["GET", "HEAD"],
            "cache_policy_id": _CACHING_OPTIMIZED,
            "compress": False,
        },
        ordered_cache_behaviors=[
            {
                "path_pattern": f"{NAR_PREFIX}*",
                "target_origin_id": _ORIGIN,
                "viewer_protocol_policy": "redirect-to-https",
                "allowed_methods": ["GET", "HEAD"],
                "cached_methods": ["GET", "HEAD"],
                # Nix writes NARs without a header that says how long they last.
                "min_ttl": NAR_TTL_SECONDS,
                "default_ttl": NAR_TTL_SECONDS,
                "max_ttl": NAR_TTL_SECONDS,
                "forwarded_values": {"query_string": False, "cookies": {"forward": "none"}},
                "compress": False,
            }
        ],
        custom_error_responses=[
            {
                # A bucket that cannot be listed answers 403 for what it does not have.
                "error_code": code,
                "response_code": 404,
                "response_page_path": f"/{ERROR_KEY}",
                "error_caching_min_ttl": ERROR_TTL_SECONDS,
            }
            for code in (403, 404)
        ],
        restrictions={"geo_restriction": {"restriction_type": "none"}},
        viewer_certificate=_viewer_certificate(certificate),
        tags=scope.tags,
        opts=scope.options(),
    )
    if settings.domain_name is not None and settings.hosted_zone_id is not None:
        _point_to(scope, settings.domain_name, settings.hosted_zone_id, distribution)
    named = settings.domain_name
    host = distribution.domain_name if named is None else named
    return Delivery(distribution, pulumi.Output.concat("https://", host))


def _viewer_certificate(
    certificate: pulumi.Input[str] | None,
) -> aws.cloudfront.DistributionViewerCertificateArgsDict:
    if certificate is None:
        return {"cloudfront_default_certificate": True}
    return {
        "acm_certificate_arn": certificate,
        "ssl_support_method": "sni-only",
        "minimum_protocol_version": "TLSv1.2_2021",
    }


def _certificate(scope: Scope, settings: CloudFrontSettings) -> pulumi.Input[str] | None:
    """Return the certificate of the host name: the given one, or one that is proved in its zone."""
    if settings.certificate_arn is not None or settings.domain_name is None:
        return settings.certificate_arn
    certificate = aws.acm.Certificate(
        f"{scope.name}-certificate",
        domain_name=settings.domain_name,
        validation_method="DNS",
        region=CDN_REGION,
        tags=scope.tags,
        opts=scope.options(),
    )
    proof = certificate.domain_validation_options[0]
    record = aws.route53.Record(
        f"{scope.name}-certificate-proof",
        zone_id="" if settings.hosted_zone_id is None else settings.hosted_zone_id,
        name=proof.resource_record_name,
        type=proof.resource_record_type,
        records=[proof.resource_record_value],
        ttl=300,
        allow_overwrite=True,
        opts=scope.options(),
    )
    return aws.acm.CertificateValidation(
        f"{scope.name}-certificate-validation",
        certificate_arn=certificate.arn,
        validation_record_fqdns=[record.fqdn],
        region=CDN_REGION,
        opts=scope.options(),
    ).certificate_arn


def _point_to(
    scope: Scope,
    host: pulumi.Input[str],
    zone_id: pulumi.Input[str],
    distribution: aws.cloudfront.Distribution,
) -> None:
    for kind in ("A", "AAAA"):
        aws.route53.Record(
            f"{scope.name}-{kind.lower()}-record",
            zone_id=zone_id,
            name=host,
            type=kind,
            aliases=[
                {
                    "name": distribution.domain_name,
                    "zone_id": distribution.hosted_zone_id,
                    "evaluate_target_health": False,
                }
            ],
            opts=scope.options(),
        )
