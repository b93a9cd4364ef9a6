"""Policy documents of IAM, as services read them, and what they permit. Pure.

Conditions are not judged. An Allow counts as if its conditions were always met, and a Deny that has
some as if they never were. Where services differ, an Allow counts as the one that allows more reads
it, and a Deny as the one that denies less. So a document is never taken for narrower than it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nix_cache.iam.policy_json import DocumentError, statements_of
from nix_cache.iam.values import read, read_list
from nix_cache.iam.wildcards import covers, overlap

__all__ = ["Document", "DocumentError", "Statement", "granting", "parse"]

ANY_PRINCIPAL = frozenset({"*", "AWS:*"})
"""Principals that include everyone, with and without an account."""

_MADE_OF_WILDCARDS = re.compile(r"(AWS:)?[*?]+")
"""MinIO compares such a principal with the empty name of an anonymous request."""

_VARIABLE = re.compile(r"\$\{[^}]*\}")
"""Such as ``${aws:username}``: its value is not in the document."""

_ANY_OF_S3 = "arn:aws:s3:::*"


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        allows: whether it allows; else it denies.
        actions: patterns as they are spelled. AWS matches them without regard to case, MinIO with.
        all_but_actions: whether it names those that are not meant.
        resources: patterns.
        all_but_resources: whether it names those that are not meant.
        principals: ``*``, or kind and value as in ``AWS:123456789012``; empty in a policy that is
            attached to a user.
        all_but_principals: whether it names those that are not meant.
        conditions: by operator, what is compared with what.
    """

    allows: bool
    actions: Sequence[str]
    all_but_actions: bool = False
    resources: Sequence[str] = ()
    all_but_resources: bool = False
    principals: Sequence[str] = ()
    all_but_principals: bool = False
    conditions: Mapping[str, Any] | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether it applies to requests without a credential."""
        if self.all_but_principals or ANY_PRINCIPAL.intersection(self.principals):
            return True
        return self.allows and any(map(_MADE_OF_WILDCARDS.fullmatch, self.principals))

    @property
    def _is_attached(self) -> bool:
        return not (self.principals or self.all_but_principals)

    def names_action(self, action: str) -> bool:
        """Return whether it names an action, spelled as AWS does, such as ``s3:GetObject``."""
        if self.allows is self.all_but_actions:
            named = any(overlap(pattern, action) for pattern in self.actions)
        else:
            named = any(overlap(pattern.lower(), action.lower()) for pattern in self.actions)
        return named is not self.all_but_actions

    def targets(self, key: str | None) -> Iterator[str]:
        """Yield the objects or buckets that it applies to, as patterns of bucket and key.

        Args:
            key: a pattern of keys; None asks for the buckets themselves.
        """
        if self.all_but_resources:
            target = "*" if key is None else f"*/{key}"
            if not any(covers(path, target) for path in _s3_paths(self.resources, certain=True)):
                yield target
            return
        for path in _s3_paths(self.resources):
            bucket, slash, _ = path.partition("/")
            if key is None:
                # MinIO takes "bucket/*" for the bucket as well, in what is attached to a user.
                if not slash or (self._is_attached and overlap(path, f"{bucket}/")):
                    yield bucket
            elif slash and key == "*":
                yield path
            elif overlap(path, f"{bucket}/{key}"):
                yield f"{bucket}/{key}"

    def takes_back(self, action: str, target: str, allowing: "Statement") -> bool:
        """Return whether it denies, always and entirely, the permissions of another statement."""
        if self.allows or self.conditions is not None or not self.names_action(action):
            return False
        if self.all_but_resources:
            denied = not any(overlap(path, target) for path in _s3_paths(self.resources))
        else:
            paths = _s3_paths(self.resources, certain=True)
            denied = any(covers(path, target) for path in paths)
        return denied and self._is_about_all_of(allowing)

    def _is_about_all_of(self, other: "Statement") -> bool:
        if self.all_but_principals:
            return False
        if self.is_anonymous or not (self.principals or other.principals):
            return True
        return not other.is_anonymous and set(other.principals) <= set(self.principals)


Document = Sequence[Statement]


def parse(document: Any) -> Document:
    """Return the statements of a document.

    Args:
        document: its JSON, or what that says.

    Raises:
        DocumentError: it is none, or services could read it differently.
        NotYetKnownError: a part of it is not known yet.
    """
    return [_statement(statement) for statement in statements_of(document)]


def granting(
    document: Document, action: str, key: str | None, whose: Callable[[Statement], bool]
) -> Iterator[Statement]:
    """Yield the statements that allow an action, except those that another statement takes back.

    Args:
        document: the whole document.
        action: one action's name, without wildcards.
        key: a pattern of the keys of objects; None for an action on buckets.
        whose: which statements count.
    """
    for statement in document:
        if not (statement.allows and whose(statement) and statement.names_action(action)):
            continue
        for target in statement.targets(key):
            if not any(other.takes_back(action, target, statement) for other in document):
                yield statement
                break


def _statement(raw: Mapping[str, Any]) -> Statement:
    allows = read(raw, "Effect") == "Allow"
    actions, all_but_actions = _either(raw, "Action")
    resources, all_but_resources = _either(raw, "Resource")
    if allows and not resources:
        resources = ["*"]
    all_but_principals = "NotPrincipal" in raw
    principals = read(raw, "NotPrincipal" if all_but_principals else "Principal")
    return Statement(
        allows=allows,
        actions=actions,
        all_but_actions=all_but_actions,
        resources=resources,
        all_but_resources=all_but_resources,
        principals=list(_principals(principals)),
        all_but_principals=all_but_principals,
        conditions=read(raw, "Condition"),
    )


def _either(raw: Mapping[str, Any], element: str) -> tuple[list[str], bool]:
    """Return the texts of an element or of its negation, and whether it is the negation."""
    negation = f"Not{element}"
    if negation in raw:
        return read_list(raw, negation), True
    return read_list(raw, element), False


def _principals(raw: Any) -> Iterator[str]:
    if isinstance(raw, Mapping):
        for kind in raw:
            yield from (f"{kind}:{value}" for value in read_list(raw, kind))
    elif raw is not None:
        yield str(raw)


def _s3_paths(resources: Sequence[str], *, certain: bool = False) -> Iterator[str]:
    """Yield the resources of S3 as bucket and key, without what stands before them in an ARN.

    Args:
        resources: patterns, mostly of ARNs.
        certain: whether to leave out those that may stand for less than they seem to.
    """
    for resource in resources:
        if certain and _VARIABLE.search(resource):
            continue
        text = _VARIABLE.sub("*", resource)
        parts = text.split(":", 5)
        if parts[0] == "arn" and len(parts) == 6:
            if overlap(parts[2], "s3"):
                yield parts[5]
        elif covers(text, _ANY_OF_S3) or (overlap(text, _ANY_OF_S3) and not certain):
            yield "*"
