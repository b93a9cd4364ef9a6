"""What a repair leaves alone: the resources of a stack that belong to none of its caches. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nix_cache.backends.stack_state import Cache, Resource, dependents


@dataclass(frozen=True)
class Pending:
    """The operations that an interrupted run left pending.

    Attributes:
        own: those on some caches.
        others: the resources of all others, as a list in words.
    """

    own: Sequence[Mapping[str, Any]]
    others: str


def left_alone(
    recreated: Collection[str], chosen: Iterable[Cache], state: Mapping[str, Any]
) -> str:
    """Return what depends on what is created again but stays as it is, as a list in words.

    Args:
        recreated: the URNs of what is created again.
        chosen: the caches that are repaired.
        state: the stack's.
    """
    own = _own(chosen)
    resources = state.get("resources") or []
    return _listed(one for one in dependents(recreated, resources) if one["urn"] not in own)


def pending(chosen: Iterable[Cache], state: Mapping[str, Any]) -> Pending:
    """Return the pending operations, by whether they are on some caches.

    Args:
        chosen: the caches.
        state: the stack's.
    """
    own = _own(chosen)
    operations: Sequence[Mapping[str, Any]] = state.get("pending_operations") or ()

    def is_own(operation: Mapping[str, Any]) -> bool:
        resource = operation["resource"]
        return resource["urn"] in own or resource.get("parent") in own

    others = _listed(one["resource"] for one in operations if not is_own(one))
    return Pending([one for one in operations if is_own(one)], others)


def creating(caches: Iterable[Cache], state: Mapping[str, Any]) -> str:
    """Return what an interrupted run may have created of some caches, as a list in words."""
    operations = pending(caches, state).own
    return _listed(one["resource"] for one in operations if one["type"] == "creating")


def not_in_state(caches: Iterable[Cache], state: Mapping[str, Any]) -> str:
    """Return what is pending on some caches and not in the state, as a list in words."""
    known = {one["urn"] for one in state.get("resources") or []}
    operations = [one["resource"] for one in pending(caches, state).own]
    return _listed(one for one in operations if one["urn"] not in known)


def _own(chosen: Iterable[Cache]) -> frozenset[str]:
    return frozenset(urn for cache in chosen for urn in (cache.urn, *cache.all_urns))


def _listed(resources: Iterable[Resource]) -> str:
    return ", ".join(
        f"{one['urn'].rpartition('::')[2]} ({one['type'].rpartition(':')[2]})" for one in resources
    )
