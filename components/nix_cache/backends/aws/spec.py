"""The backend on AWS S3."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nix_cache.backends.spec import BackendSpec, Completion, ListPrice, Provider, Verification
from nix_cache.iam.values import is_true

if TYPE_CHECKING:
    from pulumi.dynamic import Config

    from nix_cache.backends.provisioning import Provisioned, Request
    from nix_cache.backends.resource_types import ResourceTypes
    from nix_cache.config.setting import BackendSettings
    from nix_cache.dynamic.name_reservation import Question
    from nix_cache.policy.model import Rule


def _settings() -> "type[BackendSettings]":
    from nix_cache.backends.aws.settings import AwsSettings

    return AwsSettings


def _provision(request: "Request") -> "Provisioned":
    from nix_cache.backends.aws.storage import provision

    return provision(request)


def _complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    from nix_cache.backends.aws.configuration import complete

    return complete(settings, configured)


def _question(config: "Config") -> "Question":
    from nix_cache.backends.aws.reservation import question

    return question(config)


def _resource_types() -> "ResourceTypes":
    from nix_cache.backends.aws.resource_types import TYPES

    return TYPES


def _policy_rules() -> "tuple[Rule, ...]":
    from nix_cache.backends.aws.policy_rules import RULES

    return RULES


_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_IAM")


def _without_tls(read: Callable[[str], Any], environment: Mapping[str, str]) -> Iterator[str]:
    if is_true(read("insecure")):
        yield "accepts any certificate (insecure)"
    for variable in _ENDPOINT_VARIABLES:
        if environment.get(variable, "").startswith("http://"):
            yield f"reaches AWS without TLS ({variable})"


def _verification() -> Verification:
    from nix_cache.backends.aws.verification import VERIFICATION

    return VERIFICATION


SPEC = BackendSpec(
    name="aws",
    title="AWS S3",
    settings=_settings,
    provision=_provision,
    question=_question,
    resource_types=_resource_types,
    package="pulumi_aws",
    verification=_verification,
    policy_rules=_policy_rules,
    provider=Provider(
        package="aws",
        sdk="pulumi_aws",
        secret_settings=("secretKey", "token"),
        endpoint_settings=("endpoints",),
        without_tls=_without_tls,
    ),
    complete=_complete,
    program_defaults={"region": "``aws:region``"},
    lifecycle_rules=1000,
    unfinished_upload_days=7,
    cdn="CloudFront",
    cdn_flush="aws cloudfront create-invalidation --distribution-id ID --paths '/*'",
    has_oidc_writers=True,
    list_price=ListPrice(  # S3 Standard in us-east-1, the first 50 TB
        per_unit_month=0.023,
        unit_bytes=2**30,
        source="https://aws.amazon.com/s3/pricing/",
        checked="2026-05",
    ),
)
