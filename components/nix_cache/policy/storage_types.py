"""What resources say about a cache, under one set of words for all backends. Pure."""

import base64
import binascii
from collections.abc import Iterator
from typing import Any

from nix_cache.backends.resource_types import OWN_TYPES, Holder, resource_types
from nix_cache.iam.access import JANITOR_IDENTITY
from nix_cache.iam.documents import Document, DocumentError, parse
from nix_cache.iam.lifetimes import Expiry
from nix_cache.iam.values import is_true, read, read_list
from nix_cache.policy.model import Context, Resource, UnreadableError

_OWN = "nix-cache:index:"

STACK = "pulumi:pulumi:Stack"
CACHE = f"{_OWN}BinaryCache"
SIGNING_KEY = f"{OWN_TYPES}:SigningKey"


def canonical(type_token: str) -> str:
    """Return a type under the one name that the rules know.

    The cache's own resources have another in programs that are not in Python.
    """
    if type_token != CACHE and type_token.startswith(_OWN):
        return f"{OWN_TYPES}:{type_token.removeprefix(_OWN)}"
    return resource_types().canonical(type_token)


def policies_of(resource: Resource, *holders: Holder) -> Iterator[tuple[Document, Holder]]:
    """Yield the policies in a resource, each with whom it is for.

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
    """Yield the policy documents in a resource: their path, their content and their holder."""
    for place, holder in resource_types().documents.get(resource.type, {}).items():
        if document := resource.read(place):
            yield place, document, holder
    if inline_place := resource_types().inline_documents.get(resource.type):
        for inline in read_list(resource.properties, inline_place):
            if document := read(inline, "policy"):
                yield inline_place, document, Holder.USER


def is_named_after_a_user(resource: Resource) -> bool:
    """Return whether a cache names this resource after a writer, a reader or its janitor alone."""
    return resource.type in resource_types().users and _of_cache(resource) is not None


def is_janitor(resource: Resource) -> bool:
    """Return whether this resource, which is named after a user, is that of the cache's janitor."""
    return resource.name == f"{_of_cache(resource)}-{JANITOR_IDENTITY}"


def _of_cache(resource: Resource) -> str | None:
    """Return the name of the cache whose component made a resource; None if none did."""
    types, _, name = resource.parent.rpartition("::")
    return name if types.endswith((f"::{CACHE}", f"${CACHE}")) else None


def text_of(resource: Resource) -> str | None:
    """Return what an object says; None if that stands in a file.

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
    """Yield what the rules in a resource remove of current objects, by age or date.

    Raises:
        NotYetKnownError: a rule is not known yet.
    """
    if read_rules := resource_types().expiries.get(resource.type):
        yield from read_rules(resource.properties)


def has_acl(resource: Resource) -> bool:
    """Return whether a resource may have a canned ACL."""
    types = resource_types()
    return resource.type in {*types.buckets, *types.objects, *types.acls}


def object_of(resource: Resource) -> tuple[str, str] | None:
    """Return the properties that name an object's bucket and its key; None for other resources."""
    return resource_types().objects.get(resource.type)


def is_bucket(resource: Resource) -> bool:
    """Return whether a resource is a bucket."""
    return resource.type in resource_types().buckets


def deletes_what_is_in_it(resource: Resource) -> bool:
    """Return whether a bucket may be deleted with all that is in it.

    Raises:
        NotYetKnownError: that is not known yet.
    """
    return is_true(resource.read("forceDestroy")) or is_true(resource.read("force_destroy"))


def is_in(resource: Resource, place: str, bucket: Resource) -> bool:
    """Return whether a property of a resource names a bucket.

    Raises:
        NotYetKnownError: a name is not known yet, and does not come from the bucket itself.
    """
    if bucket.urn in resource.dependencies.get(place, ()):
        return True
    return bool(resource.read(place) == bucket.read(resource_types().buckets[bucket.type]))


def logging_into(bucket: Resource, context: Context) -> Iterator[Resource]:
    """Yield the resources that put a bucket's access logs into this bucket.

    Raises:
        NotYetKnownError: where logs go is not known yet.
    """
    targets = resource_types().log_targets
    for resource in context.resources:
        place = targets.get(resource.type)
        if place is not None and is_in(resource, place, bucket):
            yield resource
