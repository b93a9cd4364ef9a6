"""Policy documents of IAM, as AWS, MinIO and Spaces read them, and what they let somebody do. Pure.

Conditions are not judged. An Allow counts as if its conditions were always met, and a Deny that has
some as if they never were. So a document is never taken for narrower than it is.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nix_cache_policies.model import read, read_list
from nix_cache_policies.wildcards import covers, overlap

ANYBODY = frozenset({"*", "AWS:*"})
"""Principals that are everybody, whether they have an account or not."""

_VARIABLE = re.compile(r"\$\{[^}]*\}")
"""Such as ``${aws:username}``: what it stands for, a document alone does not tell."""


_ANY_OF_S3 = "arn:aws:s3:::*"


class DocumentError(ValueError):
    """A text that is no policy document; the rest of "the policy ..."."""


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        allows: whether it allows; else it denies.
        actions: patterns in lower case, as actions are named without regard to case.
        all_but_actions: whether it names those that are not meant.
        resources: patterns.
        all_but_resources: whether it names those that are not meant.
        principals: ``*``, or kind and value as in ``AWS:123456789012``; empty in a policy that is
            attached to somebody.
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
    def is_for_anybody(self) -> bool:
        """Whether it is about people who have no credential."""
        return self.all_but_principals or bool(ANYBODY.intersection(self.principals))

    @property
    def _is_attached(self) -> bool:
        return not (self.principals or self.all_but_principals)

    def names_action(self, action: str) -> bool:
        """Whether it is about an action, such as ``s3:GetObject``."""
        named = any(overlap(pattern, action.lower()) for pattern in self.actions)
        return named is not self.all_but_actions

    def targets(self, key: str | None) -> Iterator[str]:
        """What of a bucket's objects it is about, as patterns of bucket and key.

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
        """Whether it denies, always and entirely, what another statement allows."""
        if self.allows or self.conditions or not self.names_action(action):
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
        if self.is_for_anybody or not (self.principals or other.principals):
            return True
        return not other.is_for_anybody and set(other.principals) <= set(self.principals)


Document = Sequence[Statement]


def parse(document: Any) -> Document:
    """The statements of a document.

    Args:
        document: its JSON, or what that says.

    Raises:
        DocumentError: it is none.
        NotYetKnownError: a part of it is not known yet.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            raise DocumentError("is not JSON") from None
    if not isinstance(document, Mapping):
        raise DocumentError("is not a JSON object")
    statements = read_list(document, "Statement")
    if not statements:
        raise DocumentError("has no Statement")
    return [_statement(statement) for statement in statements]


def granting(
    document: Document, action: str, key: str | None, whose: Callable[[Statement], bool]
) -> Iterator[Statement]:
    """The statements that allow an action, as far as no other one takes that back.

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


def _statement(raw: Any) -> Statement:
    effect = read(raw, "Effect")
    if effect not in ("Allow", "Deny"):
        raise DocumentError(f"has a statement with the Effect {effect!r}, not Allow or Deny")
    actions, all_but_actions = _either(raw, "Action")
    resources, all_but_resources = _either(raw, "Resource")
    if not actions:
        raise DocumentError("has a statement without an Action")
    all_but_principals = read(raw, "NotPrincipal") is not None
    principals = read(raw, "NotPrincipal" if all_but_principals else "Principal")
    return Statement(
        allows=effect == "Allow",
        actions=[action.lower() for action in actions],
        all_but_actions=all_but_actions,
        resources=resources,
        all_but_resources=all_but_resources,
        principals=list(_principals(principals)),
        all_but_principals=all_but_principals,
        conditions=read(raw, "Condition"),
    )


def _either(raw: Any, element: str) -> tuple[list[str], bool]:
    """The texts of an element, or those of its negation and that it is one."""
    negation = f"Not{element}"
    if read(raw, negation) is not None:
        return _texts(raw, negation), True
    return _texts(raw, element), False


def _texts(raw: Any, element: str) -> list[str]:
    found = [read(item) for item in read_list(raw, element)]
    if not all(isinstance(item, str) for item in found):
        raise DocumentError(f"has something else than text in {element}")
    return found


def _principals(raw: Any) -> Iterator[str]:
    if isinstance(raw, Mapping):
        for kind in raw:
            spelled = "AWS" if kind.lower() == "aws" else kind
            yield from (f"{spelled}:{read(value)}" for value in read_list(raw, kind))
    else:
        yield from (str(read(value)) for value in read_list(raw))


def _s3_paths(resources: Sequence[str], *, certain: bool = False) -> Iterator[str]:
    """The resources of S3 as bucket and key, without what stands before them in an ARN.

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
