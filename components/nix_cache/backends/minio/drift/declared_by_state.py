"""What a stack made on a MinIO server, by its state. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nix_cache.backends.minio.connection import NameKind, parsed
from nix_cache.backends.minio.drift.declared import (
    Declared,
    DeclaredBucket,
    DeclaredObject,
    DeclaredRule,
    Policy,
    User,
)
from nix_cache.backends.stack_state import in_clear, living

_CLAIMS = ("pulumi-python:dynamic/nix-cache:NameClaim", "nix-cache:index:NameClaim")
"""What version 0.1.0 made for each name: in a program in Python, and in another language."""
_RESERVATIONS = (
    "pulumi-python:dynamic/nix-cache:NameReservation",
    "nix-cache:index:NameReservation",
)
_BUCKET = "minio:index/s3Bucket:S3Bucket"
_BUCKET_POLICY = "minio:index/s3BucketPolicy:S3BucketPolicy"
_LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
_OBJECT = "minio:index/s3Object:S3Object"
_USER = "minio:index/iamUser:IamUser"
_POLICY = "minio:index/iamPolicy:IamPolicy"
_ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"
_ACCESS_KEY = "minio:index/iamServiceAccount:IamServiceAccount"
_GROUP_ATTACHMENT = "minio:index/iamGroupUserAttachment:IamGroupUserAttachment"
_GROUP_MEMBERSHIP = "minio:index/iamGroupMembership:IamGroupMembership"

_LOCALHOST = re.compile(r"^localhost(?=:|$)")

_Made = tuple[str, Mapping[str, Any]]
"""The URN of a resource, and the values that it was made from."""


def reserves_names(resource: Mapping[str, Any]) -> bool:
    """Return whether a resource reserves names on a server."""
    is_reservation = resource["type"] in _RESERVATIONS
    return resource["type"] in _CLAIMS or (
        is_reservation and (resource.get("inputs") or {}).get("backend") == "minio"
    )


def declared(
    resources: Iterable[Mapping[str, Any]],
    others: Iterable[Mapping[str, Any]] = (),
    provider: str | None = None,
) -> Declared:
    """Return what a state has of caches on a server.

    The inputs count, which are what the program wanted: outputs may be what a refresh found. What
    is reserved but not in the state was lost from it, as by a refresh during an outage.

    Args:
        resources: those of the caches in an exported state, secrets in clear.
        others: those of the whole state, which may declare more about a cache's bucket and users.
        provider: the URN of the caches' provider. What is on another server is left out; nothing
            is if None.
    """
    state = _State(resources, others, provider)
    return Declared(
        buckets=tuple(
            _bucket(state, name) for name in state.names(NameKind.BUCKET, _BUCKET, "bucket")
        ),
        users=tuple(_user(state, name) for name in state.names(NameKind.USER, _USER, "name")),
        policies=tuple(
            _policy(state, name) for name in state.names(NameKind.POLICY, _POLICY, "name")
        ),
    )


class _State:
    def __init__(
        self,
        resources: Iterable[Mapping[str, Any]],
        others: Iterable[Mapping[str, Any]],
        provider: str | None,
    ) -> None:
        below = living(resources)
        everything = {one["urn"]: one for one in (*living(others), *below)}
        self._all = {
            urn: one
            for urn, one in everything.items()
            if provider is None or is_on_server(one, provider, everything)
        }
        self._resources = [one for one in below if one["urn"] in self._all]

    def made(self, *types: str, **properties: str) -> Iterator[_Made]:
        """Yield the resources of the caches, of some types, that were made from certain values."""
        return _matching(self._resources, types, properties)

    def made_by_all(self, *types: str, **properties: str) -> Iterator[_Made]:
        """Yield the same of the whole stack."""
        return _matching(self._all.values(), types, properties)

    def one(self, of_type: str, /, **properties: str) -> _Made:
        """Return the first of them, or nothing."""
        return next(self.made(of_type, **properties), ("", {}))

    def output(self, urn: str, name: str) -> Any:
        """Return what the provider returned for a resource."""
        return in_clear((self._all.get(urn, {}).get("outputs") or {}).get(name))

    def names(self, kind: NameKind, of_type: str, name: str) -> list[str]:
        """Return the names of everything of a type that was made, and of what was reserved."""
        made = {inputs[name] for _, inputs in self.made(of_type) if inputs.get(name)}
        claimed = {inputs["name"] for _, inputs in self.made(*_CLAIMS, kind=kind)}
        reservations = self.made(*_RESERVATIONS, backend="minio")
        names = (parsed(spelled) for _, inputs in reservations for spelled in inputs["names"])
        return sorted(made | claimed | {plain for of_kind, plain in names if of_kind is kind})


def _matching(
    resources: Iterable[Mapping[str, Any]], types: tuple[str, ...], properties: Mapping[str, str]
) -> Iterator[_Made]:
    for resource in resources:
        if resource["type"] in types:
            inputs = in_clear(resource.get("inputs") or {})
            if properties.items() <= inputs.items():
                yield resource["urn"], inputs


def is_on_server(
    resource: Mapping[str, Any], provider: str, resources: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Return whether a resource is on the server of a provider, or is no resource of a server.

    Args:
        resource: the resource.
        provider: the provider's URN.
        resources: all of the state, by URN.
    """

    def server(urn: str) -> Any:
        inputs = in_clear(resources.get(urn, {}).get("inputs") or {})
        # One server of this machine has two names: a program and `make up` can each use another.
        return _LOCALHOST.sub("127.0.0.1", str(inputs.get("minioServer") or ""))

    if not resource["type"].startswith("minio:"):
        return True
    own = str(resource.get("provider") or "").rpartition("::")[0]
    return own == provider or server(own) == server(provider)


def _bucket(state: _State, name: str) -> DeclaredBucket:
    urn, made_bucket = state.one(_BUCKET, bucket=name)
    of_policy, policy = state.one(_BUCKET_POLICY, bucket=name)
    of_rules, lifecycle = state.one(_LIFECYCLE, bucket=name)
    return DeclaredBucket(
        urn,
        name,
        policy=policy.get("policy", ""),
        rules=_rules(lifecycle),
        # An object of the user's own can come from a file, and is not compared then.
        objects=tuple(
            DeclaredObject(made["objectName"], made["content"], made["contentType"])
            for _, made in sorted(state.made(_OBJECT, bucketName=name), key=lambda one: one[0])
            if {"objectName", "content", "contentType"} <= made.keys()
        ),
        quota_bytes=int(made_bucket.get("quota") or 0),
        other_policies=tuple(
            made["policy"]
            for other, made in state.made_by_all(_BUCKET_POLICY, bucket=name)
            if other != of_policy and made.get("policy")
        ),
        other_rules=tuple(
            _rules(made)
            for other, made in state.made_by_all(_LIFECYCLE, bucket=name)
            if other != of_rules
        ),
    )


def _rules(lifecycle: Mapping[str, Any]) -> frozenset[DeclaredRule]:
    return frozenset(
        DeclaredRule(rule.get("id", ""), rule.get("filter") or "", rule.get("expiration") or "")
        for rule in lifecycle.get("rules") or ()
    )


def _user(state: _State, name: str) -> User:
    urn, _ = state.one(_USER, name=name)
    attachments = {
        made["policyName"]: attachment
        for attachment, made in state.made(_ATTACHMENT, userName=name)
        if made.get("policyName")
    }
    attached = {made.get("policyName") for _, made in state.made_by_all(_ATTACHMENT, userName=name)}
    memberships = state.made_by_all(_GROUP_ATTACHMENT, userName=name)
    groups = {made.get("groupName") for _, made in memberships}
    groups |= {
        made.get("group")
        for _, made in state.made_by_all(_GROUP_MEMBERSHIP)
        if name in (made.get("users") or ())
    }
    keys = {
        state.output(key, "accessKey"): key
        for key, _ in state.made_by_all(_ACCESS_KEY, targetUser=name)
    }
    return User(
        urn,
        name,
        secret=state.output(urn, "secret") or "",
        attachments=attachments,
        other_policies=frozenset(filter(None, attached - set(attachments))),
        other_groups=frozenset(filter(None, groups)),
        other_keys={key: keys[key] for key in keys if key},
    )


def _policy(state: _State, name: str) -> Policy:
    urn, made = state.one(_POLICY, name=name)
    return Policy(urn, name, made.get("policy", ""))
