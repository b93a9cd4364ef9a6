"""The backend on DigitalOcean Spaces."""

from nix_cache.backends.loading import BackendFolder
from nix_cache.backends.spec import (
    BackendSpec,
    CredentialResource,
    ListPrice,
    Provider,
    Right,
)

_HERE = BackendFolder(__package__)

SPEC = BackendSpec(
    name="spaces",
    title="DigitalOcean Spaces",
    settings=_HERE.value("settings", "SpacesSettings"),
    provision=_HERE.function("storage", "provision"),
    question=_HERE.function("reservation", "question"),
    resource_types=_HERE.value("resource_types", "TYPES"),
    package="pulumi_digitalocean",
    verification=_HERE.value("verification", "VERIFICATION"),
    policy_rules=_HERE.value("policy_rules", "RULES"),
    provider=Provider(
        package="digitalocean",
        sdk="pulumi_digitalocean",
        secret_settings=("spacesSecretKey", "token"),
        endpoint_settings=("apiEndpoint", "spacesEndpoint"),
    ),
    complete=_HERE.function("configuration", "complete"),
    writers_also=frozenset(Right),
    readers_also=frozenset({Right.LIST}),
    limits_janitor=False,
    has_readers_in_public=False,
    credential=CredentialResource("SpacesKey"),
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
        checked="2026-07",
    ),
)
