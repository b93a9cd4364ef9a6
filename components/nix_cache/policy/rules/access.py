"""Rules on access: anonymous requests only read, no wildcards, writers only write."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from operator import attrgetter
from typing import Any

from nix_cache.backends.resource_types import Holder, resource_types
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.iam.access import JANITOR_IDENTITY
from nix_cache.iam.documents import Document, Statement, granting
from nix_cache.iam.values import read, read_list
from nix_cache.iam.wildcards import is_pattern
from nix_cache.policy.model import Context, Resource, Rule
from nix_cache.policy.storage_types import (
    has_acl,
    is_bucket,
    is_janitor,
    is_named_after_a_user,
    policies_of,
)

READ_OBJECT = "s3:GetObject"

_ON_BUCKETS = (
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:DeleteBucket",
    "s3:PutBucketPolicy",
    "s3:PutLifecycleConfiguration",
)
_ON_OBJECTS = (
    "s3:PutObject",
    "s3:PutObjectAcl",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
)
"""Actions that list, write and delete: those that a wildcard is tested with."""

_DOCUMENTED = {name.lower(): name for name in (READ_OBJECT, *_ON_BUCKETS, *_ON_OBJECTS)}
"""Actions as AWS documents them, which a Deny has to spell so to be certain on every service."""

_DELETING = ("s3:DeleteObject", "s3:DeleteObjectVersion")
_DELETING_BUCKETS = ("s3:DeleteBucket", "s3:PutLifecycleConfiguration")

_OPEN_ACLS = frozenset(
    {"public", "public-read", "public-read-write", "public-write", "authenticated-read"}
)
_READING_ACL = "public-read"
_PUBLIC_GROUPS = ("/AllUsers", "/AuthenticatedUsers")

_READY_MADE_OF_MINIO = frozenset(
    {"consoleAdmin", "diagnostics", "readonly", "readwrite", "writeonly"}
)
_READY_MADE_OF_AWS = ":iam::aws:policy/"


def _anonymous(resource: Resource, _context: Context) -> Iterator[str]:
    yield from _open_acl(resource)
    for document, _ in policies_of(resource, Holder.BUCKET):
        if actions := sorted(_granted_to_anonymous(document)):
            yield f"lets anonymous requests {', '.join(actions)}"


def _open_acl(resource: Resource) -> Iterator[str]:
    if not has_acl(resource):
        return
    acl = resource.read("acl")
    # A single object with public reads is what a public cache is made of.
    if acl in _OPEN_ACLS and (is_bucket(resource) or acl != _READING_ACL):
        yield f"has the ACL {acl!r}"
    grants = read_list(resource.properties, "grants")
    grants += read_list(resource.properties, "accessControlPolicy", "grants")
    for grant in grants:
        uri = str(read(grant, "uri") or read(grant, "grantee", "uri") or "")
        if uri.endswith(_PUBLIC_GROUPS):
            yield f"has a grant for {uri.rpartition('/')[2]}"


def _granted_to_anonymous(document: Document) -> Iterator[str]:
    """Yield the actions other than reading objects that anonymous requests may do."""
    anonymous = attrgetter("is_anonymous")
    spelled = {action for statement in document if statement.allows for action in statement.actions}
    named = {_DOCUMENTED.get(action.lower(), action) for action in spelled}
    for action in {name for name in named if not is_pattern(name)} - {READ_OBJECT}:
        # An action's name does not show whether it is one on buckets or on objects.
        asked = (granting(document, action, key, anonymous) for key in (None, "*"))
        if any(any(statements) for statements in asked):
            yield action
    for key, actions in ((None, _ON_BUCKETS), ("*", _ON_OBJECTS)):
        for action in actions:
            if action not in named and any(granting(document, action, key, anonymous)):
                yield action


def _wildcards(resource: Resource, _context: Context) -> Iterator[str]:
    yield from _ready_made(resource)
    for document, holder in policies_of(resource):
        for statement in document:
            if statement.allows:
                yield from _too_wide(statement, holder)


def _too_wide(statement: Statement, holder: Holder) -> Iterator[str]:
    for action in filter(is_pattern, statement.actions):
        yield f"allows the action {action!r}"
    if statement.all_but_actions:
        yield f"allows every action but {', '.join(statement.actions)}"
    if statement.all_but_resources:
        yield f"allows it on everything but {', '.join(statement.resources)}"
    if statement.all_but_principals:
        yield f"allows it to everyone except {', '.join(statement.principals)}"
    reads = {_DOCUMENTED.get(action.lower(), action) for action in statement.actions}
    is_public_read = holder is Holder.BUCKET and reads == {READ_OBJECT}
    if not (is_public_read and statement.is_anonymous):
        for principal in filter(is_pattern, statement.principals):
            yield f"allows {', '.join(statement.actions)} to the principal {principal!r}"


def _ready_made(resource: Resource) -> Iterator[str]:
    place = resource_types().ready_made.get(resource.type)
    for name in map(read, read_list(resource.properties, place) if place else ()):
        if name in _READY_MADE_OF_MINIO or _READY_MADE_OF_AWS in str(name):
            yield f"attaches {name}, which the service brings along for all buckets"


def _writers(resource: Resource, context: Context) -> Iterator[str]:
    may_delete = _may_delete(resource, context)
    if deletions := resource_types().deletions.get(resource.type):
        yield from () if may_delete else deletions(resource.properties)
    for statements, _ in policies_of(resource, Holder.BUCKET, Holder.USER):
        if not may_delete:
            yield from _deletes(statements)
        touching = [a for a in _ON_OBJECTS if _grants(statements, a, INFO_KEY)]
        if touching:
            yield f"allows {', '.join(touching)} on {INFO_KEY}"


def _may_delete(resource: Resource, context: Context) -> bool:
    """Return whether a resource has the rights of a janitor."""
    janitors = context.settings.get("janitors", _JANITORS["janitors"]["default"])
    if is_named_after_a_user(resource) and not is_janitor(resource):
        # A writer can be called `x-janitor`.
        return resource.name in janitors
    return any(fnmatchcase(resource.name, pattern) for pattern in janitors)


def _deletes(document: Document) -> Iterator[str]:
    of_objects = [action for action in _DELETING if _grants(document, action, "*")]
    of_buckets = [action for action in _DELETING_BUCKETS if _grants(document, action, None)]
    if of_objects or of_buckets:
        yield f"allows {', '.join([*of_objects, *of_buckets])}"


def _grants(document: Document, action: str, key: str | None) -> bool:
    return any(granting(document, action, key, lambda _: True))


_JANITORS: Mapping[str, dict[str, Any]] = {
    "janitors": {
        "type": "array",
        "items": {"type": "string"},
        "description": "names of the resources with the rights of those who clean up, which may "
        "delete; * stands for anything, but covers no writer or reader of a cache",
        "default": ["*-janitor", "*-janitor-policy", f"*-{JANITOR_IDENTITY}"],
    }
}

ANONYMOUS_ACCESS = Rule(
    id="anonymous-access",
    holds="Anonymous requests can get objects by name, and nothing else.",
    why="a listing shows what you build, and who writes decides what your machines run",
    fix="allow anonymous principals s3:GetObject alone, and keep canned ACLs private",
    check=_anonymous,
)

NO_WILDCARDS = Rule(
    id="no-wildcards",
    holds="No policy allows a wildcard, except anonymous reads of a public cache.",
    why="a wildcard also allows actions that the service adds later",
    fix="name each action and principal, in your own policy for this bucket",
    check=_wildcards,
)

WRITERS_ONLY_WRITE = Rule(
    id="writers-only-write",
    holds=f"Only janitors can delete, and no credential can write {INFO_KEY}.",
    why="a leaked credential of a writer must not be able to empty the cache or to redirect it",
    fix="allow s3:PutObject on the keys that Nix writes, s3:GetObject, and no deleting",
    check=_writers,
    settings=_JANITORS,
)
