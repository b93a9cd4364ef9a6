"""What a refresh would find, in the cache's words, for storage that its provider asks. Pure.

Types are named by what their tokens say, so that a new resource of a backend needs no line here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nix_cache.backends.drift import Finding
from nix_cache.backends.registry import BACKENDS
from nix_cache.iam import policy_changes as rights

_NAMES = ("bucket", "bucketName", "bucket_name", "name", "key", "user", "userName", "role", "id")
"""The properties that may say of what a resource is, the best first."""

_KEYS = ("objectName", "key")
_INTERNAL = frozenset({"id", "etag", "versionId", "lastModified", "tagsAll", "arn"})
"""What changes with other properties, and says nothing to people."""

_WORDS = re.compile(r"[A-Z][A-Z0-9]+(?![a-z])|[A-Z][a-z]+")
_MAKERS = frozenset({"s3", "iam", *BACKENDS})
_LONGEST = 200


def deleted(steps: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the URNs of what was deleted outside, which an update creates again."""
    return frozenset(step["urn"] for step in steps if step["op"] == "delete")


def findings(steps: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Return what was changed outside.

    Args:
        steps: what the engine reported of each resource; secrets are masked there.
    """
    found: list[Finding] = []
    for step in steps:
        before, after = step.get("old") or {}, step.get("new") or {}
        if step["op"] == "delete":
            found.append(
                Finding(f"{_noun(before)} was deleted", "there", "not there", "creates it again")
            )
        elif step["op"] == "update":
            found += _changes(before, after)
    return found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Finding]:
    old, new = before.get("outputs") or {}, after.get("outputs") or {}
    changed = [
        name
        for name in {**old, **new}
        # What is empty was mostly absent before.
        if (old.get(name) or None) != (new.get(name) or None) and not name.startswith("__")
    ]
    if "policy" in changed and rights.same(old.get("policy"), new.get("policy")):
        changed.remove("policy")
    shown = [name for name in changed if name not in _INTERNAL]
    if shown == ["policy"] and _is_of_a_bucket(before):
        what = rights.bucket_policy_change(_name(before), old.get("policy"), new.get("policy"))
    elif shown:
        what = f"{_noun(before)} was changed: {', '.join(shown)}"
    elif changed:
        what = f"{_noun(before)} was rewritten"
    else:
        return
    was, now = ({name: values.get(name) for name in shown or changed} for values in (old, new))
    yield Finding(what, _in_short(was), _in_short(now))


def _is_of_a_bucket(resource: Mapping[str, Any]) -> bool:
    return "bucketpolicy" in str(resource.get("type")).lower()


def _noun(resource: Mapping[str, Any]) -> str:
    """Return what a resource is, as a noun: "the bucket policy of nix-cache"."""
    kind = str(resource.get("type")).rpartition(":")[2]
    words = [word.lower() for word in _WORDS.findall(re.sub(r"[Vv]2$", "", kind))]
    noun = " ".join(word for word in words if word not in _MAKERS) or kind
    outputs = resource.get("outputs") or {}
    if key := next((outputs[name] for name in _KEYS if "object" in noun and outputs.get(name)), ""):
        return f"{key} in the bucket"
    preposition = "" if noun in ("bucket", "user", "role") else "of "
    return f"the {noun} {preposition}{_name(resource)}"


def _name(resource: Mapping[str, Any]) -> str:
    outputs = resource.get("outputs") or {}
    named = (outputs[name] for name in _NAMES if isinstance(outputs.get(name), str))
    return next(filter(None, named), str(resource.get("urn")).rpartition("::")[2])


def _in_short(values: Mapping[str, Any]) -> str:
    text = "; ".join(f"{name}: {value}" for name, value in values.items() if value is not None)
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") or "not set"
