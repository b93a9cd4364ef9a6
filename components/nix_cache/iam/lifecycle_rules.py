"""Lifecycle rules of providers that follow S3's API, read as expiries. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.iam.lifetimes import Expiry
from nix_cache.iam.values import read, read_list


def expiries_of_rules(properties: Mapping[str, Any]) -> Iterator[Expiry]:
    """Yield what ``rules`` of a lifecycle configuration remove, each with a ``filter``.

    Rules by tag are omitted: nothing that Nix or the stack puts has a tag.
    """
    for rule in read_list(properties, "rules"):
        if read(rule, "status") == "Disabled":
            continue
        narrowed = read(rule, "filter") or {}
        both = read(narrowed, "and") or {}
        if read(narrowed, "tag") or read(both, "tags"):
            continue
        prefix = read(both, "prefix") or read(narrowed, "prefix") or read(rule, "prefix") or ""
        yield from _after(rule, prefix if isinstance(prefix, str) else "")


def expiries_of_bucket(properties: Mapping[str, Any]) -> Iterator[Expiry]:
    """Yield what ``lifecycleRules`` of a bucket remove, each with a ``prefix``."""
    for rule in read_list(properties, "lifecycleRules"):
        if read(rule, "enabled") is not False and not read(rule, "tags"):
            yield from _after(rule, read(rule, "prefix") or "")


def _after(rule: Any, prefix: str) -> Iterator[Expiry]:
    if days := read(rule, "expiration", "days"):
        yield Expiry(prefix, float(days))
    elif read(rule, "expiration", "date"):
        yield Expiry(prefix, 0)
