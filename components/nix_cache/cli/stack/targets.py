"""Which resources an update is limited to, and how the state is prepared for it. Pure."""

import json
from collections.abc import Collection, Iterable, Sequence

from nix_cache.backends.stack_state import Cache, Resource, dependents


def targets(chosen: Sequence[Cache], found: Iterable[Cache]) -> list[str]:
    """Return the URNs, and patterns of these, of all that belongs to some caches.

    Patterns cover what the program declares but the state does not have.

    Args:
        chosen: the caches.
        found: all caches of the stack.
    """
    urns = {urn for cache in chosen for urn in (cache.urn, *cache.all_urns)}
    rest = {cache.urn for cache in found} - {cache.urn for cache in chosen}
    for cache in chosen:
        kind, _, name = cache.urn.rpartition("::")
        # The names of a cache's resources begin with the cache's own name.
        if not any(urn.startswith(f"{kind}::{name}-") for urn in rest):
            urns.add(f"{kind}$**::{name}-**")
    return sorted(urns)


def recreated(
    urns: Collection[str], chosen: Iterable[Cache], resources: Iterable[Resource]
) -> frozenset[str]:
    """Return the URNs of all that is created again together with some resources of caches.

    Args:
        urns: of these resources.
        chosen: the caches. What depends on the resources but belongs to none of them is left out.
        resources: all of the state.
    """
    own = frozenset[str]().union(*(cache.all_urns for cache in chosen))
    return own & {*urns, *(one["urn"] for one in dependents(urns, resources))}


def prepared(exported: str, urns: Collection[str]) -> str:
    """Return an exported state in which some resources are marked as gone.

    The engine then creates them again at the next update, as if it had deleted them itself to
    replace them: it neither refreshes nor deletes what is marked, and what depends on it stays.

    Args:
        exported: the state.
        urns: the resources.
    """
    document = json.loads(exported)
    for resource in document["deployment"].get("resources") or []:
        if resource["urn"] in urns and not resource.get("delete"):
            # Without the second, the engine deletes the old resource after it has created the new
            # one, which has the same name. It refuses to replace what is protected.
            resource |= {"pendingReplacement": True, "retainOnDelete": True, "protect": False}
    return json.dumps(document, indent=4, ensure_ascii=False)
