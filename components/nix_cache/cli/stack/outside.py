"""What a repair does to those resources of a stack that are not a cache's. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from nix_cache.backends.stack_state import CACHE_TYPE, Resource, caches, dependents, others_than


def effects(state: Mapping[str, Any], forgotten: Collection[str], stack: str) -> Iterator[str]:
    """Return each effect as a sentence, and what to do about it.

    Args:
        state: the stack's.
        forgotten: the URNs that a repair drops from it.
        stack: the stack's name.
    """
    resources = state.get("resources") or []
    found = caches(resources)
    ours = {urn for cache in found for urn in (cache.urn, *(one["urn"] for one in cache.resources))}
    dropped = [one for one in dependents(forgotten, resources) if one["urn"] not in ours]
    if dropped:
        yield (
            f"{_listed(dropped)} will be dropped from the state, but not deleted, because they "
            "depend on what is created again; import them if the update cannot create them again"
        )
    pending = [
        operation["resource"]
        for operation in state.get("pending_operations") or ()
        if f"{CACHE_TYPE}$" not in operation["resource"]["urn"]
    ]
    if pending:
        yield (
            f"the pending operations on {_listed(pending)} will be dropped from the state; look "
            "first what became of them"
        )
    if others_than(found, resources):
        yield (
            f"the update covers all resources of the stack {stack}, not only its caches; look "
            f"first with `pulumi preview --refresh --stack {stack}`"
        )


def _listed(resources: Iterable[Resource]) -> str:
    return ", ".join(
        f"{one['urn'].rpartition('::')[2]} ({one['type'].rpartition(':')[2]})" for one in resources
    )
