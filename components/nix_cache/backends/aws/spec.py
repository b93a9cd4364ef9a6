"""The backend on AWS S3."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nix_cache.backends.spec import BackendSpec, Completion, Provider

if TYPE_CHECKING:
    import pulumi

    from nix_cache.arguments import CacheSettings
    from nix_cache.config.setting import BackendSettings
    from nix_cache.storage.protocol import Storage


def _settings() -> "type[BackendSettings]":
    from nix_cache.backends.aws.settings import AwsSettings

    return AwsSettings


def _open_storage(
    settings: "CacheSettings", name: str, parent: "pulumi.ComponentResource"
) -> "Storage":
    from nix_cache.storage.aws import open_storage

    return open_storage(settings, name, parent)


def _complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    from nix_cache.storage.aws_config import complete

    return complete(settings, configured)


SPEC = BackendSpec(
    name="aws",
    title="AWS S3",
    settings=_settings,
    open_storage=_open_storage,
    provider=Provider(package="aws", sdk="pulumi_aws", secret_settings=("secretKey", "token")),
    complete=_complete,
    program_defaults={"region": "``aws:region``"},
    lifecycle_rules=1000,
    unfinished_upload_days=7,
    cdn="CloudFront",
    has_oidc_writers=True,
)
