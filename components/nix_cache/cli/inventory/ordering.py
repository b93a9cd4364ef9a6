"""The order in which store paths can be removed or put back, and none lacks another. Pure."""

from collections.abc import Callable, Collection, Set


def dependents_first(names: Set[str], references: Callable[[str], Collection[str]]) -> list[str]:
    """Return some paths, each before those that it needs.

    A circle, which Nix does not make, is cut somewhere.

    Args:
        names: the hashes of the paths.
        references: returns the hashes of what one of them needs.
    """
    needed_first: list[str] = []
    seen: set[str] = set()
    for start in sorted(names):
        waiting = [(start, False)]
        while waiting:
            name, is_done = waiting.pop()
            if is_done:
                needed_first.append(name)
            elif name not in seen:
                seen.add(name)
                waiting.append((name, True))
                waiting += [(other, False) for other in references(name) if other in names]
    return needed_first[::-1]
