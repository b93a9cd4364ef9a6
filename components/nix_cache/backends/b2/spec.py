"""The backend on Backblaze B2."""

from typing import TYPE_CHECKING

from nix_cache.backends.spec import BackendSpec, ListPrice, Provider, Right, Verification

if TYPE_CHECKING:
    from pulumi.dynamic import Config

    from nix_cache.backends.provisioning import Provisioned, Request
    from nix_cache.backends.resource_types import ResourceTypes
    from nix_cache.config.setting import BackendSettings
    from nix_cache.dynamic.name_reservation import Question


def _settings() -> "type[BackendSettings]":
    from nix_cache.backends.b2.settings import B2Settings

    return B2Settings


def _provision(request: "Request") -> "Provisioned":
    from nix_cache.backends.b2.storage import provision

    return provision(request)


def _question(config: "Config") -> "Question":
    from nix_cache.backends.b2.reservation import question

    return question(config)


def _resource_types() -> "ResourceTypes":
    from nix_cache.backends.b2.resource_types import TYPES

    return TYPES


def _verification() -> Verification:
    from nix_cache.backends.b2.verification import VERIFICATION

    return VERIFICATION


SPEC = BackendSpec(
    name="b2",
    title="Backblaze B2",
    settings=_settings,
    provision=_provision,
    question=_question,
    resource_types=_resource_types,
    package="b2sdk",
    verification=_verification,
    provider=Provider(package="b2", sdk="", secret_settings=("applicationKey",)),
    # Deleting hides: the service keeps hidden versions for some days.
    writers_also=frozenset({Right.REPLACE, Right.DELETE}),
    limits_janitor=False,
    lifecycle_rules=100,
    unfinished_upload_days=7,
    no_dots="Backblaze B2 does not allow in names of buckets",
    list_price=ListPrice(  # the first 10 GB of an account are free
        per_unit_month=0.006,
        included_bytes=10 * 10**9,
        source="https://www.backblaze.com/cloud-storage/pricing",
        checked="2026-05",
    ),
)
