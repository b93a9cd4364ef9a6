"""The backend on a MinIO server."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nix_cache.backends.spec import BackendSpec, Completion, Provider
from nix_cache.iam.values import is_true

if TYPE_CHECKING:
    from pulumi.dynamic import Config

    from nix_cache.backends.drift import ServiceDrift
    from nix_cache.backends.provisioning import Provisioned, Request
    from nix_cache.backends.resource_types import ResourceTypes
    from nix_cache.config.setting import BackendSettings
    from nix_cache.dynamic.name_reservation import Question


def _settings() -> "type[BackendSettings]":
    from nix_cache.backends.minio.settings import MinioSettings

    return MinioSettings


def _provision(request: "Request") -> "Provisioned":
    from nix_cache.backends.minio.storage import provision

    return provision(request)


def _complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    from nix_cache.backends.minio.configuration import complete

    return complete(settings, configured)


def _question(config: "Config") -> "Question":
    from nix_cache.backends.minio.reservation import question

    return question(config)


def _resource_types() -> "ResourceTypes":
    from nix_cache.backends.minio.resource_types import TYPES

    return TYPES


def _drift() -> "ServiceDrift":
    from nix_cache.backends.minio.drift.spec import DRIFT

    return DRIFT


def _without_tls(read: Callable[[str], Any], environment: Mapping[str, str]) -> Iterator[str]:
    ssl = read("minioSsl")
    if not is_true(environment.get("MINIO_ENABLE_HTTPS") if ssl is None else ssl):
        yield "reaches MinIO without TLS (minioSsl is not true)"
    if is_true(read("minioInsecure")):
        yield "accepts any certificate (minioInsecure)"


SPEC = BackendSpec(
    name="minio",
    title="MinIO",
    settings=_settings,
    provision=_provision,
    question=_question,
    resource_types=_resource_types,
    package="pulumi_minio",
    provider=Provider(
        package="minio",
        sdk="pulumi_minio",
        secret_settings=("minioPassword", "minioSecretKey", "minioSessionToken"),
        without_tls=_without_tls,
    ),
    drift=_drift,
    complete=_complete,
    program_settings={"connectionFile": "a file that names a server and its administrator."},
    program_defaults={"endpoint": "the provider's server"},
    lifecycle_rules=1000,
    unfinished_upload_days=1,
    no_dots="",  # requests have the bucket's name in their path
)
