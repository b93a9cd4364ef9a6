"""What the resource types of a backend say about a cache, for rules that know no backend. Pure."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from nix_cache.backends.registry import BACKENDS
from nix_cache.iam.lifetimes import Expiry

OWN_TYPES = "pulumi-python:dynamic/nix-cache"
"""The first part of the types of this package's own resources."""


class Holder(Enum):
    """What a policy document is attached to."""

    BUCKET = "bucket"
    USER = "user"
    ROLE = "role"


def _same(type_token: str) -> str:
    return type_token


@dataclass(frozen=True, kw_only=True)
class ResourceTypes:
    """The types of one backend, or of all of them.

    Attributes:
        buckets: by type, the property by which other resources refer to the bucket.
        objects: by type, the properties that name the bucket and the object's key.
        documents: by type, the properties with policy documents, each with whom it is for.
        inline_documents: by type, a list of objects with a policy document for users in each.
        ready_made: by type, the property that names policies of the service's own.
        acls: further types that may have a canned ACL, beside buckets and objects.
        log_targets: by type, the property that names the bucket which takes a bucket's access logs.
        expiries: by type, what its rules remove of current objects, by age or date. Rules by tag
            are left out: nothing that Nix or the stack puts has a tag.
        deletions: by type, what lets the holder of a key delete, as the rest of a sentence.
        users: types that a cache names after a writer, a reader or its janitor, and no more.
        canonical: gives a type the name that the tables use.
    """

    buckets: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    documents: Mapping[str, Mapping[str, Holder]] = field(default_factory=dict)
    inline_documents: Mapping[str, str] = field(default_factory=dict)
    ready_made: Mapping[str, str] = field(default_factory=dict)
    acls: frozenset[str] = frozenset()
    log_targets: Mapping[str, str] = field(default_factory=dict)
    expiries: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Expiry]]] = field(
        default_factory=dict
    )
    deletions: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = field(
        default_factory=dict
    )
    users: frozenset[str] = frozenset()
    canonical: Callable[[str], str] = _same

    def __or__(self, other: "ResourceTypes") -> "ResourceTypes":
        """Return the types of both."""
        return ResourceTypes(
            buckets={**self.buckets, **other.buckets},
            objects={**self.objects, **other.objects},
            documents={**self.documents, **other.documents},
            inline_documents={**self.inline_documents, **other.inline_documents},
            ready_made={**self.ready_made, **other.ready_made},
            acls=self.acls | other.acls,
            log_targets={**self.log_targets, **other.log_targets},
            expiries={**self.expiries, **other.expiries},
            deletions={**self.deletions, **other.deletions},
            users=self.users | other.users,
            canonical=lambda type_token: other.canonical(self.canonical(type_token)),
        )


def resource_types() -> ResourceTypes:
    """Return the types of all registered backends."""
    return _of(tuple(BACKENDS))


@functools.cache
def _of(names: tuple[str, ...]) -> ResourceTypes:
    types = (BACKENDS[name].resource_types() for name in names)
    return functools.reduce(ResourceTypes.__or__, types, ResourceTypes())
