"""Two policy documents, compared by what they permit. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nix_cache.iam.access import PIN_KEYS, ROOT_RECORD_KEYS, WRITABLE_KEYS, Privilege
from nix_cache.iam.documents import Document, DocumentError, Statement, granting, parse
from nix_cache.iam.lifecycle import OWN_KEYS

_HASH = "0" * 32
_WRITABLE = tuple(key.replace("?" * 32, _HASH).replace("*", "any") for key in WRITABLE_KEYS)
_ROOT_RECORD, _PIN = (keys.replace("*", "any") for keys in (ROOT_RECORD_KEYS, PIN_KEYS))
_FOREIGN = "of-another-program"

RIGHTS: Sequence[tuple[str, Sequence[str], Sequence[str | None]]] = (
    ("read objects", ["s3:GetObject"], [*_WRITABLE, *OWN_KEYS]),
    ("upload store paths", ["s3:PutObject"], _WRITABLE),
    ("write root records", ["s3:PutObject"], [_ROOT_RECORD]),
    ("pin store paths", ["s3:PutObject"], [_PIN]),
    ("replace the cache's metadata", ["s3:PutObject"], OWN_KEYS),
    ("upload anything else", ["s3:PutObject"], [_FOREIGN]),
    ("abort uploads", ["s3:AbortMultipartUpload"], _WRITABLE),
    (
        "delete objects",
        ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        [*_WRITABLE, *OWN_KEYS, _ROOT_RECORD, _PIN, _FOREIGN],
    ),
    ("list objects", ["s3:ListBucket", "s3:ListBucketVersions"], [None]),
    ("list unfinished uploads", ["s3:ListBucketMultipartUploads"], [None]),
    ("change the bucket's policy", ["s3:PutBucketPolicy", "s3:DeleteBucketPolicy"], [None]),
    ("change the lifecycle", ["s3:PutLifecycleConfiguration"], [None]),
    ("delete the bucket", ["s3:DeleteBucket"], [None]),
)
"""Rights in words, and the actions and keys that each consists of; None is the bucket itself."""

_HOLDERS: Mapping[str, str] = {
    Privilege.WRITE: "a writer",
    Privilege.READ: "a reader",
    Privilege.JANITOR: "the janitor",
}
"""Who has a policy, by the last part of its name."""

_ADMINISTER = "administer themselves"
_ADMINISTRATION = "admin:CreateServiceAccount"


def is_anonymous(statement: Statement) -> bool:
    """Return whether a statement of a bucket's policy is about anonymous requests."""
    return statement.is_anonymous


def is_of_its_users(_statement: Statement) -> bool:
    """Return True: each statement of a user policy is about the users it is attached to."""
    return True


def same(one: Any, other: Any) -> bool:
    """Return whether two documents permit the same, whatever their order and spelling."""
    try:
        return _normal(parse(one)) == _normal(parse(other))
    except DocumentError:
        return False


def gained_and_lost(
    before: Any, after: Any, whose: Callable[[Statement], bool]
) -> tuple[list[str], list[str]]:
    """Return what a document permits that another does not, and the other way round.

    Args:
        before: a document, or None.
        after: the other one, or None.
        whose: which statements count.

    Raises:
        DocumentError: services could read one of them differently.
    """
    old, new = _grants(before, whose), _grants(after, whose)
    gained = [right for right in new if new[right] - old.get(right, frozenset())]
    lost = [right for right in old if old[right] - new.get(right, frozenset())]
    return gained, lost


def in_words(document: Any, whose: Callable[[Statement], bool]) -> str:
    """Return all that a document permits, in words."""
    try:
        return _listed(_grants(document, whose)) or "do nothing"
    except DocumentError as mistake:
        return f"do what cannot be judged, as the policy {mistake.problem}"


def _grants(
    document: Any, whose: Callable[[Statement], bool]
) -> dict[str, frozenset[tuple[str, str | None]]]:
    """By right, the actions and keys of it that are granted."""
    statements: Document = parse(document) if document else []
    found = {
        right: frozenset(
            (action, key)
            for action in actions
            for key in keys
            if any(granting(statements, action, key, whose))
        )
        for right, actions, keys in RIGHTS
    }
    denied = any(not s.allows and s.names_action(_ADMINISTRATION) for s in statements)
    if statements and whose is is_of_its_users and not denied:
        found[_ADMINISTER] = frozenset({(_ADMINISTRATION, None)})
    return {right: cases for right, cases in found.items() if cases}


def _normal(document: Document) -> list[str]:
    return sorted(
        json.dumps(
            {
                name: sorted(value) if isinstance(value, list) else value
                for name, value in vars(statement).items()
            },
            sort_keys=True,
        )
        for statement in document
    )


def _listed(rights: Iterable[str]) -> str:
    return ", ".join(rights)


def bucket_policy_change(
    bucket: str, before: str | None, after: Mapping[str, Any] | str | None
) -> str:
    """Return how a bucket's policy changed, in words."""
    try:
        gained, lost = gained_and_lost(before, after, is_anonymous)
    except DocumentError as mistake:
        return f"the policy of the bucket {bucket} cannot be judged: it {mistake.problem}"
    if gained:
        return f"anonymous requests can {_listed(gained)} in the bucket {bucket}"
    if lost:
        return f"anonymous requests can no longer {_listed(lost)} in the bucket {bucket}"
    if after is None:
        return f"the policy of the bucket {bucket} was deleted"
    return f"the policy of the bucket {bucket} was rewritten, and still permits the same"


def policy_change(name: str, before: str, after: Mapping[str, Any] | str) -> str:
    """Return how a policy for users changed, in words."""
    try:
        gained, lost = gained_and_lost(before, after, is_of_its_users)
    except DocumentError as mistake:
        return f"the policy {name} cannot be judged: it {mistake.problem}"
    ending = name.rpartition("-")[2]
    holder = _HOLDERS.get(ending, "its users")
    parts = []
    if gained:
        parts.append(f"lets {holder} {_listed(gained)}")
    if lost:
        parts.append(f"no longer lets {holder} {_listed(lost)}")
    if not parts:
        parts.append(f"was rewritten, and still lets {holder} do the same")
    return f"the policy {name} {' and '.join(parts)}"
