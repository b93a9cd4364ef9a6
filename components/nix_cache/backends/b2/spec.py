"""The backend on Backblaze B2."""

from nix_cache.backends.loading import BackendFolder
from nix_cache.backends.spec import BackendSpec, CredentialResource, ListPrice, Provider, Right

_HERE = BackendFolder(__package__)

SPEC = BackendSpec(
    name="b2",
    title="Backblaze B2",
    settings=_HERE.value("settings", "B2Settings"),
    provision=_HERE.function("storage", "provision"),
    question=_HERE.function("reservation", "question"),
    resource_types=_HERE.value("resource_types", "TYPES"),
    package="b2sdk",
    verification=_HERE.value("verification", "VERIFICATION"),
    provider=Provider(package="b2", sdk="", secret_settings=("applicationKey",)),
    # Deleting hides: the service keeps hidden versions for some days.
    writers_also=frozenset({Right.REPLACE, Right.DELETE}),
    limits_janitor=False,
    credential=CredentialResource("B2Key"),
    lifecycle_rules=100,
    unfinished_upload_days=7,
    no_dots="Backblaze B2 does not allow in names of buckets",
    list_price=ListPrice(  # the first 10 GB of an account are free
        per_unit_month=0.00695,
        included_bytes=10 * 10**9,
        source="https://www.backblaze.com/cloud-storage/pricing",
        checked="2026-09",
    ),
)
