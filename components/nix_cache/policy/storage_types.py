"""What the resource types of each backend say about a cache, under one set of words. Pure.

A further backend is a further line in these tables.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from nix_cache.iam.documents import Document, DocumentError, parse
from nix_cache.iam.lifetimes import Expiry
from nix_cache.iam.values import is_true, read, read_list
from nix_cache.policy.model import Resource, UnreadableError

_DYNAMIC = "pulumi-python:dynamic/nix-cache"
_OWN = "nix-cache:index:"

STACK = "pulumi:pulumi:Stack"
CACHE = f"{_OWN}BinaryCache"
SIGNING_KEY = f"{_DYNAMIC}:SigningKey"
AWS_BUCKET = "aws:s3/bucket:Bucket"
AWS_ROLE = "aws:iam/role:Role"
SPACES_POLICY = "digitalocean:index/spacesBucketPolicy:SpacesBucketPolicy"
SPACES_KEY = "digitalocean:index/spacesKey:SpacesKey"
B2_BUCKET = f"{_DYNAMIC}:B2Bucket"
B2_KEY = f"{_DYNAMIC}:B2Key"

BUCKETS: Mapping[str, str] = {
    "minio:index/s3Bucket:S3Bucket": "bucket",
    AWS_BUCKET: "bucket",
    "digitalocean:index/spacesBucket:SpacesBucket": "name",
    B2_BUCKET: "id",
}
"""By type, the property by which other resources refer to the bucket."""

OBJECTS: Mapping[str, tuple[str, str]] = {
    "minio:index/s3Object:S3Object": ("bucketName", "objectName"),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("bucket", "key"),
    "aws:s3/bucketObject:BucketObject": ("bucket", "key"),
    "digitalocean:index/spacesBucketObject:SpacesBucketObject": ("bucket", "key"),
    f"{_DYNAMIC}:B2TextObject": ("bucket_id", "key"),
}
"""By type, the properties that name the bucket and the object's key."""


class Holder(Enum):
    """Whom a policy document is for."""

    BUCKET = "whoever it names may use a bucket"
    USER = "whoever it is attached to"
    ROLE = "whoever it names may take on a role"


DOCUMENTS: Mapping[str, Mapping[str, Holder]] = {
    "minio:index/s3BucketPolicy:S3BucketPolicy": {"policy": Holder.BUCKET},
    "minio:index/iamPolicy:IamPolicy": {"policy": Holder.USER},
    "minio:index/iamGroupPolicy:IamGroupPolicy": {"policy": Holder.USER},
    "minio:index/iamServiceAccount:IamServiceAccount": {"policy": Holder.USER},
    AWS_BUCKET: {"policy": Holder.BUCKET},
    "aws:s3/bucketPolicy:BucketPolicy": {"policy": Holder.BUCKET},
    "aws:iam/policy:Policy": {"policy": Holder.USER},
    "aws:iam/userPolicy:UserPolicy": {"policy": Holder.USER},
    "aws:iam/groupPolicy:GroupPolicy": {"policy": Holder.USER},
    "aws:iam/rolePolicy:RolePolicy": {"policy": Holder.USER},
    AWS_ROLE: {"assumeRolePolicy": Holder.ROLE},
    SPACES_POLICY: {"policy": Holder.BUCKET},
}
"""By type, the properties with policy documents."""

READY_MADE: Mapping[str, str] = {
    "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment": "policyName",
    "minio:index/iamGroupPolicyAttachment:IamGroupPolicyAttachment": "policyName",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    AWS_ROLE: "managedPolicyArns",
}
"""By type, the property that names a policy which may be one that the service brings along."""

ACLS = frozenset({*BUCKETS, *OBJECTS, "aws:s3/bucketAcl:BucketAcl"})
"""The types that may have a canned ACL."""


def canonical(type_token: str) -> str:
    """A type under the one name that the rules know.

    The cache's own resources have another in programs that are not in Python, and the provider for
    AWS put ``V2`` to some for a time.
    """
    if type_token.startswith("aws:"):
        return re.sub(r"V2\b", "", type_token)
    if type_token != CACHE and type_token.startswith(_OWN):
        return f"{_DYNAMIC}:{type_token.removeprefix(_OWN)}"
    return type_token


def policies_of(resource: Resource, *holders: Holder) -> Iterator[tuple[Document, Holder]]:
    """The policies in a resource, each with whom it is for.

    Args:
        resource: the resource.
        holders: whom to look for; anyone if none is named.

    Raises:
        NotYetKnownError: one of them is not known yet.
        UnreadableError: one of them is none, or services could read it differently.
    """
    for place, document, holder in _documents_of(resource):
        if holders and holder not in holders:
            continue
        try:
            yield parse(document), holder
        except DocumentError as mistake:
            problem = f"has a document in {place} that {mistake.problem}"
            raise UnreadableError(problem, mistake.fix) from None


def _documents_of(resource: Resource) -> Iterator[tuple[str, Any, Holder]]:
    """The policy documents in a resource: where they stand, what stands there, and for whom."""
    for place, holder in DOCUMENTS.get(resource.type, {}).items():
        if document := resource.read(place):
            yield place, document, holder
    if resource.type == AWS_ROLE:
        for inline in read_list(resource.properties, "inlinePolicies"):
            if document := read(inline, "policy"):
                yield "inlinePolicies", document, Holder.USER


def text_of(resource: Resource) -> str | None:
    """What an object says; None if that stands in a file.

    Raises:
        NotYetKnownError: it is not known yet.
    """
    encoded = resource.read("contentBase64")
    if encoded:
        try:
            return base64.b64decode(encoded).decode(errors="replace")
        except binascii.Error:
            return str(encoded)
    content = resource.read("content") or resource.read("text")
    if content is None and resource.read("source") is not None:
        return None
    return str(content or "")


def expiries(resource: Resource) -> Iterator[Expiry]:
    """What the rules in a resource remove of current objects, by age or date.

    Rules by tag are left out: nothing that Nix or the stack puts has a tag.

    Raises:
        NotYetKnownError: a rule is not known yet.
    """
    match resource.type:
        case "minio:index/ilmPolicy:IlmPolicy":
            yield from _of_minio(resource)
        case "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration":
            yield from _of_aws(resource)
        case "aws:s3/bucket:Bucket" | "digitalocean:index/spacesBucket:SpacesBucket":
            yield from _of_bucket(resource)
        case _ if resource.type == B2_BUCKET:
            yield from _of_b2(resource)


def _of_minio(resource: Resource) -> Iterator[Expiry]:
    for rule in read_list(resource.properties, "rules"):
        expiration = str(read(rule, "expiration") or "")
        if read(rule, "tags") or read(rule, "status") == "Disabled":
            continue
        days = re.fullmatch(r"(\d+)d", expiration)
        if days or re.match(r"\d{4}-", expiration):
            yield Expiry(read(rule, "filter") or "", int(days[1]) if days else 0)


def _of_aws(resource: Resource) -> Iterator[Expiry]:
    for rule in read_list(resource.properties, "rules"):
        if read(rule, "status") == "Disabled":
            continue
        narrowed = read(rule, "filter") or {}
        both = read(narrowed, "and") or {}
        if read(narrowed, "tag") or read(both, "tags"):
            continue
        prefix = read(both, "prefix") or read(narrowed, "prefix") or read(rule, "prefix") or ""
        yield from _after(rule, prefix)


def _of_bucket(resource: Resource) -> Iterator[Expiry]:
    for rule in read_list(resource.properties, "lifecycleRules"):
        if read(rule, "enabled") is not False and not read(rule, "tags"):
            yield from _after(rule, read(rule, "prefix") or "")


def _after(rule: Any, prefix: str) -> Iterator[Expiry]:
    if days := read(rule, "expiration", "days"):
        yield Expiry(prefix, float(days))
    elif read(rule, "expiration", "date"):
        yield Expiry(prefix, 0)


def _of_b2(resource: Resource) -> Iterator[Expiry]:
    for rule in read_list(resource.properties, "lifecycle_rules"):
        if days := read(rule, "daysFromUploadingToHiding"):
            yield Expiry(read(rule, "fileNamePrefix") or "", float(days))


def is_bucket(resource: Resource) -> bool:
    """Whether a resource is a bucket."""
    return resource.type in BUCKETS


def deletes_what_is_in_it(resource: Resource) -> bool:
    """Whether a bucket may be deleted with all that is in it.

    Raises:
        NotYetKnownError: that is not known yet.
    """
    return is_true(resource.read("forceDestroy")) or is_true(resource.read("force_destroy"))


def is_in(resource: Resource, place: str, bucket: Resource) -> bool:
    """Whether a property of a resource names a bucket.

    Raises:
        NotYetKnownError: a name is not known yet, and does not come from the bucket itself.
    """
    if bucket.urn in resource.dependencies.get(place, ()):
        return True
    return bool(resource.read(place) == bucket.read(BUCKETS[bucket.type]))
