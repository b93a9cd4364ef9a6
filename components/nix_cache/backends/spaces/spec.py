"""The backend on DigitalOcean Spaces."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nix_cache.backends.spec import (
    BackendSpec,
    Completion,
    ListPrice,
    Provider,
    Right,
    Verification,
)

if TYPE_CHECKING:
    from pulumi.dynamic import Config

    from nix_cache.backends.provisioning import Provisioned, Request
    from nix_cache.backends.resource_types import ResourceTypes
    from nix_cache.config.setting import BackendSettings
    from nix_cache.dynamic.name_reservation import Question
    from nix_cache.policy.model import Rule


def _settings() -> "type[BackendSettings]":
    from nix_cache.backends.spaces.settings import SpacesSettings

    return SpacesSettings


def _provision(request: "Request") -> "Provisioned":
    from nix_cache.backends.spaces.storage import provision

    return provision(request)


def _complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    from nix_cache.backends.spaces.configuration import complete

    return complete(settings, configured)


def _question(config: "Config") -> "Question":
    from nix_cache.backends.spaces.reservation import question

    return question(config)


def _resource_types() -> "ResourceTypes":
    from nix_cache.backends.spaces.resource_types import TYPES

    return TYPES


def _policy_rules() -> "tuple[Rule, ...]":
    from nix_cache.backends.spaces.policy_rules import RULES

    return RULES


def _verification() -> Verification:
    from nix_cache.backends.spaces.verification import VERIFICATION

    return VERIFICATION


SPEC = BackendSpec(
    name="spaces",
    title="DigitalOcean Spaces",
    settings=_settings,
    provision=_provision,
    question=_question,
    resource_types=_resource_types,
    package="pulumi_digitalocean",
    verification=_verification,
    policy_rules=_policy_rules,
    provider=Provider(
        package="digitalocean",
        sdk="pulumi_digitalocean",
        secret_settings=("spacesSecretKey", "token"),
        endpoint_settings=("apiEndpoint", "spacesEndpoint"),
    ),
    complete=_complete,
    writers_also=frozenset(Right),
    readers_also=frozenset({Right.LIST}),
    limits_janitor=False,
    has_readers_in_public=False,
    lifecycle_rules=None,  # DigitalOcean documents no limit
    unfinished_upload_days=7,
    cdn="Spaces CDN",
    cdn_flush="doctl compute cdn flush ID --files '*'",
    list_price=ListPrice(  # the base price is for all Spaces of an account
        per_unit_month=0.02,
        unit_bytes=2**30,
        base_month=5.0,
        included_bytes=250 * 2**30,
        source="https://docs.digitalocean.com/products/spaces/details/pricing/",
        checked="2026-05",
    ),
)
