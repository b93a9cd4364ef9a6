"""Which resources an update is limited to, and how the state is prepared for it. Pure."""

import json
from collections.abc import Collection, Iterable, Sequence

from nix_cache.backends.stack_state import Cache, Resource, dependents


def targets(chosen: Sequence[Cache], found: Iterable[Cache]) -> list[str]:
    """Return the URNs, and patterns of these, of all that belongs to some caches.

    Patterns cover what the program declares but the state does not have. They also take the place
    of the URNs that they cover: the engine fails if something with such a URN is found deleted by
    the refresh and is not declared, as after a deletion that was interrupted.

    Args:
        chosen: the caches.
        found: all caches of the stack.
    """
    without = {cache.urn for cache in without_pattern(chosen, found)}
    names: set[str] = set()
    for cache in chosen:
        has_pattern = cache.urn not in without
        names.add(cache.urn)
        names.update(urn for urn in cache.all_urns if not (has_pattern and _is_covered(urn, cache)))
        if has_pattern:
            kind, _, name = cache.urn.rpartition("::")
            names.add(f"{kind}$**::{name}-**")
    return sorted(names)


def _is_covered(urn: str, cache: Cache) -> bool:
    """Return whether the pattern of a cache covers a URN."""
    kind, _, name = cache.urn.rpartition("::")
    # The names of a cache's resources begin with the cache's own name.
    return urn.startswith(f"{kind}$") and f"::{name}-" in urn.removeprefix(f"{kind}$")


def without_pattern(chosen: Sequence[Cache], found: Iterable[Cache]) -> list[Cache]:
    """Return the caches whose resources no pattern covers without those of a cache left out.

    Args:
        chosen: the caches.
        found: all caches of the stack.
    """
    names = {cache.urn for cache in chosen}
    rest = [cache for cache in found if cache.urn not in names]

    def covers_others(cache: Cache) -> bool:
        kind, _, name = cache.urn.rpartition("::")
        return any(
            other.urn.startswith(f"{kind}::{name}-")
            or any(_is_covered(urn, cache) for urn in other.all_urns)
            for other in rest
        )

    return [cache for cache in chosen if covers_others(cache)]


def recreated(
    urns: Collection[str], chosen: Iterable[Cache], resources: Iterable[Resource]
) -> frozenset[str]:
    """Return the URNs of all that is created again together with some resources of caches.

    Of what depends on them, only what is of their own provider's package vanished with them from
    the service. The rest, such as a copy of a credential elsewhere, is updated in place.

    Args:
        urns: of these resources.
        chosen: the caches. What depends on the resources but belongs to none of them is left out.
        resources: all of the state.
    """
    own = [one for cache in chosen for one in cache.resources]
    packages = {_package(one) for one in own if one["urn"] in urns}
    depending = {one["urn"] for one in dependents(urns, resources)}
    return frozenset(
        one["urn"]
        for one in own
        if one["urn"] in urns or (one["urn"] in depending and _package(one) in packages)
    )


def _package(resource: Resource) -> str:
    return str(resource["type"]).partition(":")[0]


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
