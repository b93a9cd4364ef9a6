"""The resource types of the AWS provider, as the policy rules see them. Pure."""

import re

from nix_cache.backends.resource_types import Holder, ResourceTypes
from nix_cache.iam.lifecycle_rules import expiries_of_bucket, expiries_of_rules

BUCKET = "aws:s3/bucket:Bucket"
ROLE = "aws:iam/role:Role"


def _without_v2(type_token: str) -> str:
    """Return the provider added ``V2`` to the names of some types for a time."""
    return re.sub(r"V2\b", "", type_token) if type_token.startswith("aws:") else type_token


TYPES = ResourceTypes(
    buckets={BUCKET: "bucket"},
    objects={
        "aws:s3/bucketObjectv2:BucketObjectv2": ("bucket", "key"),
        "aws:s3/bucketObject:BucketObject": ("bucket", "key"),
    },
    documents={
        BUCKET: {"policy": Holder.BUCKET},
        "aws:s3/bucketPolicy:BucketPolicy": {"policy": Holder.BUCKET},
        "aws:iam/policy:Policy": {"policy": Holder.USER},
        "aws:iam/userPolicy:UserPolicy": {"policy": Holder.USER},
        "aws:iam/groupPolicy:GroupPolicy": {"policy": Holder.USER},
        "aws:iam/rolePolicy:RolePolicy": {"policy": Holder.USER},
        ROLE: {"assumeRolePolicy": Holder.ROLE},
    },
    inline_documents={ROLE: "inlinePolicies"},
    ready_made={
        "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
        "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
        ROLE: "managedPolicyArns",
    },
    acls=frozenset({"aws:s3/bucketAcl:BucketAcl"}),
    log_targets={"aws:s3/bucketLogging:BucketLogging": "targetBucket"},
    expiries={
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": expiries_of_rules,
        BUCKET: expiries_of_bucket,
    },
    users=frozenset({"aws:iam/user:User", ROLE}),
    canonical=_without_v2,
)
"""The types."""
