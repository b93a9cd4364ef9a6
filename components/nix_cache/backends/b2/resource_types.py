"""The resource types for Backblaze B2, as the policy rules see them. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.backends.resource_types import OWN_TYPES, ResourceTypes
from nix_cache.iam.lifetimes import Expiry
from nix_cache.iam.values import read, read_list

_BUCKET = f"{OWN_TYPES}:B2Bucket"

_KEY = f"{OWN_TYPES}:B2Key"

_DELETING = frozenset({"deleteFiles", "deleteBuckets", "writeBuckets"})
"""``writeBuckets`` sets the lifecycle, and so deletes."""


def _expiries(properties: Mapping[str, Any]) -> Iterator[Expiry]:
    for rule in read_list(properties, "lifecycle_rules"):
        if days := read(rule, "daysFromUploadingToHiding"):
            yield Expiry(read(rule, "fileNamePrefix") or "", float(days))


def _deletions(properties: Mapping[str, Any]) -> Iterator[str]:
    for capability in map(read, read_list(properties, "capabilities")):
        if capability in _DELETING:
            yield f"has the capability {capability}"


TYPES = ResourceTypes(
    buckets={_BUCKET: "id"},
    objects={f"{OWN_TYPES}:B2TextObject": ("bucket_id", "key")},
    expiries={_BUCKET: _expiries},
    deletions={_KEY: _deletions},
    users=frozenset({_KEY}),
)
"""The types."""
