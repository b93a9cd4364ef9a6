"""What a bucket is set to, by S3's API: its policy, its lifecycle and its versioning."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from nix_cache.backends.s3.bucket import ServiceBucket
from nix_cache.backends.s3.connection import NotAllowedError, NotOfferedError, code_of
from nix_cache.iam.policy_changes import same

_ACTIONS = {
    "policy": "set the bucket policy",
    "lifecycle": "set the lifecycle of a bucket",
    "versioning": "keep versions of objects",
}
"""By setting of a bucket, what setting it is called in messages."""

_FIXES = {
    "policy": "Set s3.publicUrl to a URL by which the service lets readers read, or set public to "
    "false.",
    "lifecycle": "Set s3.lifecycle to false and expireAfterDays to 0, and remove "
    "old paths with `nix-cache gc --owner PROFILE --older-than 90`.",
    "versioning": "Set s3.versioning to false.",
}
"""By setting of a bucket, what to do where the service does not have it."""


@dataclass(frozen=True)
class S3BucketSettings:
    """What a bucket is set to. None stands for what the stack does not set.

    Attributes:
        policy: the bucket policy as JSON; empty for none.
        lifecycle: the lifecycle rules, in the words of S3's API.
        versioning: whether the bucket keeps versions.
    """

    policy: str | None
    lifecycle: Sequence[Mapping[str, Any]] | None
    versioning: bool | None


def settings_of(bucket: ServiceBucket) -> S3BucketSettings:
    """Return what a bucket is set to. What the service does not have is None."""
    return S3BucketSettings(_policy(bucket), _lifecycle(bucket), _versioning(bucket))


def set_bucket(bucket: ServiceBucket, wanted: S3BucketSettings) -> None:
    """Set a bucket to what is wanted, and leave what is None as it is.

    Raises:
        NotOfferedError: the service does not have something of it; the message has the fix.
    """
    if wanted.versioning is not None:
        _set(bucket, "versioning", _set_versioning, wanted.versioning)
    if wanted.lifecycle is not None:
        _set(bucket, "lifecycle", _set_lifecycle, wanted.lifecycle)
    if wanted.policy is not None:
        _set(bucket, "policy", _set_policy, wanted.policy)


def lacking(bucket: ServiceBucket, parts: Sequence[str]) -> Iterator[str]:
    """Yield what the service is known not to have, each as a problem and its fix.

    Args:
        bucket: a bucket that exists.
        parts: of ``policy``, ``lifecycle`` and ``versioning``, those that are wanted.
    """
    questions: dict[str, Callable[[ServiceBucket], object]] = {
        "policy": _policy,
        "lifecycle": _lifecycle,
        "versioning": _versioning,
    }
    for part in parts:
        if questions[part](bucket) is None:
            yield _lacks(bucket, part)


def same_policy(first: str, second: str) -> bool:
    """Return whether two bucket policies mean the same; an empty text means none."""
    return first == second or (bool(first and second) and same(first, second))


def same_rules(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether two lists of lifecycle rules mean the same, in any order."""
    return sorted(map(_rule, first)) == sorted(map(_rule, second))


def as_text(rules: Sequence[Mapping[str, Any]]) -> str:
    """Return lifecycle rules as JSON, also those with dates."""
    return json.dumps(list(rules), sort_keys=True, default=str)


def _rule(rule: Mapping[str, Any]) -> str:
    """Return a rule in one form. Some services still answer with a bare ``Prefix``."""
    prefix = rule.get("Prefix", "")
    parts = {"Filter": {"Prefix": prefix}, **rule}
    return as_text([_without_empty({key: parts[key] for key in parts if key != "Prefix"})])


def _without_empty(value: Any) -> Any:
    """Return a part of a rule without what says nothing, such as a filter by an empty prefix."""
    if not isinstance(value, dict):
        return value
    cleaned = {key: _without_empty(part) for key, part in value.items()}
    return {key: part for key, part in cleaned.items() if part not in ({}, None, "", False)}


def _policy(bucket: ServiceBucket) -> str | None:
    found: str | None = _answer(
        bucket, "policy", bucket.client.get_bucket_policy, "Policy", "", "NoSuchBucketPolicy"
    )
    return found


def _lifecycle(bucket: ServiceBucket) -> Sequence[Mapping[str, Any]] | None:
    found: Sequence[Mapping[str, Any]] | None = _answer(
        bucket,
        "lifecycle",
        bucket.client.get_bucket_lifecycle_configuration,
        "Rules",
        [],
        "NoSuchLifecycleConfiguration",
    )
    return found


def _versioning(bucket: ServiceBucket) -> bool | None:
    status = _answer(
        bucket, "versioning", bucket.client.get_bucket_versioning, "Status", "", "NoSuchBucket"
    )
    return None if status is None else status == "Enabled"


def _answer(
    bucket: ServiceBucket, part: str, ask: Any, name: str, absent: Any, absent_code: str
) -> Any:
    """Return a part of an answer; None if the service does not have the question."""
    try:
        with bucket.explained(_ACTIONS[part]):
            try:
                return ask(Bucket=bucket.name).get(name, absent)
            except ClientError as refusal:
                if code_of(refusal) in {absent_code, "NoSuchBucket"}:
                    return absent
                raise
    except NotOfferedError:
        return None


def _set(bucket: ServiceBucket, part: str, call: Any, value: Any) -> None:
    try:
        with bucket.explained(_ACTIONS[part]):
            call(bucket, value)
    except NotOfferedError:
        raise NotOfferedError(_lacks(bucket, part)) from None
    except NotAllowedError as refusal:
        raise NotAllowedError(f"{refusal} Otherwise: {_FIXES[part]}") from None


def _set_versioning(bucket: ServiceBucket, enabled: bool) -> None:
    if enabled or _versioning(bucket):
        bucket.client.put_bucket_versioning(
            Bucket=bucket.name,
            VersioningConfiguration={"Status": "Enabled" if enabled else "Suspended"},
        )


def _set_lifecycle(bucket: ServiceBucket, rules: Sequence[Mapping[str, Any]]) -> None:
    if rules:
        bucket.client.put_bucket_lifecycle_configuration(
            Bucket=bucket.name,
            LifecycleConfiguration={"Rules": list(rules)},  # type: ignore[arg-type]
        )
    elif _lifecycle(bucket):
        bucket.client.delete_bucket_lifecycle(Bucket=bucket.name)


def _set_policy(bucket: ServiceBucket, policy: str) -> None:
    if policy:
        bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=policy)
    elif _policy(bucket):
        bucket.client.delete_bucket_policy(Bucket=bucket.name)


def _lacks(bucket: ServiceBucket, part: str) -> str:
    return f"The S3 service at {bucket.service.endpoint} cannot {_ACTIONS[part]}. {_FIXES[part]}"
