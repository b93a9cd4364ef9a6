"""Which store paths of a cache are needed: the roots, with all that they refer to. Pure."""

from collections.abc import Collection, Iterable, Mapping, Set

Graph = Mapping[str, Collection[str]]
"""By the hash of each store path that is there, the hashes of those that it refers to."""


def closure(roots: Iterable[str], graph: Graph) -> frozenset[str]:
    """Return the roots that are there, with all that is there and that they need."""
    found: set[str] = set()
    waiting = [root for root in roots if root in graph]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [other for other in graph[node] if other in graph and other not in found]
    return frozenset(found)


def missing_references(nodes: Iterable[str], graph: Graph) -> dict[str, list[str]]:
    """Return what some paths refer to and is not there, by the path that does."""
    missing = {node: sorted(other for other in graph[node] if other not in graph) for node in nodes}
    return {node: others for node, others in missing.items() if others}


def dependents_first(nodes: Set[str], graph: Graph) -> list[str]:
    """Return some paths in an order in which each comes before those that it needs.

    A removal in this order leaves no path without its references, wherever it stops.
    A circle, which Nix does not make, is cut somewhere.
    """
    needed_first: list[str] = []
    seen: set[str] = set()
    for start in sorted(nodes):
        waiting = [(start, False)]
        while waiting:
            node, is_done = waiting.pop()
            if is_done:
                needed_first.append(node)
            elif node not in seen:
                seen.add(node)
                waiting.append((node, True))
                waiting += [(other, False) for other in graph[node] if other in nodes]
    return needed_first[::-1]
