"""The backend on AWS S3."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nix_cache.backends.loading import BackendFolder
from nix_cache.backends.spec import BackendSpec, CredentialResource, ListPrice, Provider
from nix_cache.iam.values import is_true

_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_IAM")


def _without_tls(read: Callable[[str], Any], environment: Mapping[str, str]) -> Iterator[str]:
    if is_true(read("insecure")):
        yield "accepts any certificate (insecure)"
    for variable in _ENDPOINT_VARIABLES:
        if environment.get(variable, "").startswith("http://"):
            yield f"reaches AWS without TLS ({variable})"


_HERE = BackendFolder(__package__)

SPEC = BackendSpec(
    name="aws",
    title="AWS S3",
    settings=_HERE.value("settings", "AwsSettings"),
    provision=_HERE.function("storage", "provision"),
    question=_HERE.function("reservation", "question"),
    resource_types=_HERE.value("resource_types", "TYPES"),
    package="pulumi_aws",
    verification=_HERE.value("verification", "VERIFICATION"),
    policy_rules=_HERE.value("policy_rules", "RULES"),
    provider=Provider(
        package="aws",
        sdk="pulumi_aws",
        secret_settings=("secretKey", "token"),
        endpoint_settings=("endpoints",),
        without_tls=_without_tls,
    ),
    complete=_HERE.function("configuration", "complete"),
    program_defaults={"region": "``aws:region``"},
    credential=CredentialResource("AccessKey", "-key"),
    lifecycle_rules=1000,
    unfinished_upload_days=7,
    cdn="CloudFront",
    cdn_flush="aws cloudfront create-invalidation --distribution-id ID --paths '/*'",
    has_oidc_writers=True,
    access_logs_setting="aws.accessLogs",
    list_price=ListPrice(  # S3 Standard in us-east-1, the first 50 TB
        per_unit_month=0.023,
        unit_bytes=2**30,
        source="https://aws.amazon.com/s3/pricing/",
        checked="2026-07",
    ),
)
