"""The resource types for S3 services, as the policy rules see them. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.backends.resource_types import OWN_TYPES, Holder, ResourceTypes
from nix_cache.iam.lifecycle_rules import expiries_of_rules
from nix_cache.iam.lifetimes import Expiry
from nix_cache.iam.values import read

_BUCKET = f"{OWN_TYPES}:S3Bucket"
_USER = f"{OWN_TYPES}:S3User"


def _expiries(properties: Mapping[str, Any]) -> Iterator[Expiry]:
    rules = read(properties, "lifecycle_rules")
    yield from expiries_of_rules({"rules": [_lower(rule) for rule in json.loads(rules or "[]")]})


def _lower(value: Any) -> Any:
    """Return a rule of S3's API with the names that providers give its parts."""
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _lower(part) for key, part in value.items()}
    return value


TYPES = ResourceTypes(
    buckets={_BUCKET: "id"},
    objects={f"{OWN_TYPES}:S3TextObject": ("bucket", "key")},
    documents={
        _BUCKET: {"policy": Holder.BUCKET},
        _USER: {"policy": Holder.USER},
    },
    expiries={_BUCKET: _expiries},
    users=frozenset({_USER}),
)
"""The types."""
