"""The resource types of the DigitalOcean provider, as the policy rules see them. Pure."""

from nix_cache.backends.resource_types import Holder, ResourceTypes
from nix_cache.iam.lifecycle_rules import expiries_of_bucket

BUCKET = "digitalocean:index/spacesBucket:SpacesBucket"
POLICY = "digitalocean:index/spacesBucketPolicy:SpacesBucketPolicy"
KEY = "digitalocean:index/spacesKey:SpacesKey"

TYPES = ResourceTypes(
    buckets={BUCKET: "name"},
    objects={"digitalocean:index/spacesBucketObject:SpacesBucketObject": ("bucket", "key")},
    documents={POLICY: {"policy": Holder.BUCKET}},
    expiries={BUCKET: expiries_of_bucket},
    users=frozenset({KEY}),
)
"""The types."""
