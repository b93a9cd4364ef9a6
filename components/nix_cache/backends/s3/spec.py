"""The backend on any service with an S3 API."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nix_cache.backends.spec import BackendSpec, Completion, Provider, Verification

if TYPE_CHECKING:
    from pulumi.dynamic import Config

    from nix_cache.backends.provisioning import Provisioned, Request
    from nix_cache.backends.resource_types import ResourceTypes
    from nix_cache.config.setting import BackendSettings
    from nix_cache.dynamic.name_reservation import Question


def _settings() -> "type[BackendSettings]":
    from nix_cache.backends.s3.settings import S3Settings

    return S3Settings


def _provision(request: "Request") -> "Provisioned":
    from nix_cache.backends.s3.storage import provision

    return provision(request)


def _complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    from nix_cache.backends.s3.configuration import complete

    return complete(settings, configured)


def _question(config: "Config") -> "Question":
    from nix_cache.backends.s3.reservation import question

    return question(config)


def _resource_types() -> "ResourceTypes":
    from nix_cache.backends.s3.resource_types import TYPES

    return TYPES


def _verification() -> Verification:
    from nix_cache.backends.s3.verification import VERIFICATION

    return VERIFICATION


SPEC = BackendSpec(
    name="s3",
    title="S3-compatible services",
    settings=_settings,
    provision=_provision,
    question=_question,
    resource_types=_resource_types,
    package="boto3",
    verification=_verification,
    provider=Provider(package="s3", sdk="", secret_settings=("secretAccessKey", "sessionToken")),
    complete=_complete,
    program_settings={"connectionFile": "a file that names a service and its administrator."},
    program_defaults={"endpoint": "that of the connection file"},
    lifecycle_rules=None,
    unfinished_upload_days=7,
    no_dots="",  # the settings refuse them where requests have the bucket's name in their host
)
