"""What is really there on a MinIO server, of all that a stack made. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nix_cache.backends.minio.drift.declared import DeclaredRule


@dataclass(frozen=True)
class SeenObject:
    """An object; of a large one, the text is only its beginning."""

    text: str
    content_type: str


@dataclass(frozen=True)
class SeenBucket:
    """A bucket that exists.

    Attributes:
        policy: its policy document, if it has one.
        rules: its lifecycle's.
        objects: by key, those of the stack's own that are there.
        quota_bytes: how much it can hold; 0 if there is no limit.
    """

    policy: Mapping[str, Any] | None = None
    rules: frozenset[DeclaredRule] = frozenset()
    objects: Mapping[str, SeenObject] = field(default_factory=dict)
    quota_bytes: int = 0


@dataclass(frozen=True)
class SeenUser:
    """A user who exists.

    Attributes:
        enabled: whether the user can log in.
        has_secret: whether the secret is the one that the stack gave out; true where the state
            has none.
        policies: the policies attached to the user.
        groups: the groups with the user as a member.
        access_keys: the names of further key pairs that act as the user.
    """

    enabled: bool = True
    has_secret: bool = True
    policies: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    access_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Seen:
    """By name, what exists of what was asked for."""

    buckets: Mapping[str, SeenBucket] = field(default_factory=dict)
    users: Mapping[str, SeenUser] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
