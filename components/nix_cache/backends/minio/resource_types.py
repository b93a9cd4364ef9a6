"""The resource types of the MinIO provider, as the policy rules see them. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.backends.resource_types import Holder, ResourceTypes
from nix_cache.iam.lifetimes import Expiry
from nix_cache.iam.values import read, read_list


def _expiries(properties: Mapping[str, Any]) -> Iterator[Expiry]:
    for rule in read_list(properties, "rules"):
        expiration = str(read(rule, "expiration") or "")
        if read(rule, "tags") or read(rule, "status") == "Disabled":
            continue
        days = re.fullmatch(r"(\d+)d", expiration)
        if days or re.match(r"\d{4}-", expiration):
            yield Expiry(read(rule, "filter") or "", int(days[1]) if days else 0)


TYPES = ResourceTypes(
    buckets={"minio:index/s3Bucket:S3Bucket": "bucket"},
    objects={"minio:index/s3Object:S3Object": ("bucketName", "objectName")},
    documents={
        "minio:index/s3BucketPolicy:S3BucketPolicy": {"policy": Holder.BUCKET},
        "minio:index/iamPolicy:IamPolicy": {"policy": Holder.USER},
        "minio:index/iamGroupPolicy:IamGroupPolicy": {"policy": Holder.USER},
        "minio:index/iamServiceAccount:IamServiceAccount": {"policy": Holder.USER},
    },
    ready_made={
        "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment": "policyName",
        "minio:index/iamGroupPolicyAttachment:IamGroupPolicyAttachment": "policyName",
    },
    expiries={"minio:index/ilmPolicy:IlmPolicy": _expiries},
    users=frozenset({"minio:index/iamUser:IamUser"}),
)
"""The types."""
