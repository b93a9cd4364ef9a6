"""What a stack declares on a MinIO server. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DeclaredRule:
    """One rule of a bucket's lifecycle.

    Attributes:
        id: its name.
        prefix: how the keys begin that it is about.
        expiration: when they go: ``90d``, or a date.
        extra: what else it does; the stack's own rules do nothing else.
    """

    id: str
    prefix: str
    expiration: str
    extra: str = ""


@dataclass(frozen=True)
class DeclaredObject:
    """One small object that the stack keeps in a bucket."""

    key: str
    text: str
    content_type: str


@dataclass(frozen=True)
class DeclaredBucket:
    """A bucket with its settings and the stack's own objects.

    Attributes:
        urn: its name in the engine; empty where the state has lost it.
        name: its name on the server.
        policy: its policy document; empty if it has none.
        rules: its lifecycle's.
        objects: what the stack keeps in it.
        quota_bytes: how much it can hold; 0 if there is no limit.
        other_policies: the policy documents that resources beside the cache give it.
        other_rules: by resource beside the cache, the lifecycle that it gives the bucket.
    """

    urn: str
    name: str
    policy: str = ""
    rules: frozenset[DeclaredRule] = frozenset()
    objects: tuple[DeclaredObject, ...] = ()
    quota_bytes: int = 0
    other_policies: tuple[str, ...] = ()
    other_rules: tuple[frozenset[DeclaredRule], ...] = ()


@dataclass(frozen=True)
class User:
    """A user of the server.

    Attributes:
        urn: its name in the engine; empty where the state has lost it.
        name: its name on the server.
        secret: the secret half of the credential; empty where the stack never knew it.
        attachments: by policy, the URN of the cache's own attachment.
        other_policies: what further resources of the stack attach, which are not the cache's.
        other_groups: the groups that further resources put the user into.
        other_keys: by the name of each access key that a further resource gives the user, the URN
            of the resource.
    """

    urn: str
    name: str
    secret: str = field(default="", repr=False)
    attachments: Mapping[str, str] = field(default_factory=dict)
    other_policies: frozenset[str] = frozenset()
    other_groups: frozenset[str] = frozenset()
    other_keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """A policy for users; the URN and the document are empty where the state has lost it."""

    urn: str
    name: str
    document: str = ""


@dataclass(frozen=True)
class Declared:
    """All that a stack made on a server."""

    buckets: tuple[DeclaredBucket, ...] = ()
    users: tuple[User, ...] = ()
    policies: tuple[Policy, ...] = ()
