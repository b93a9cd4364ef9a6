"""Patterns of IAM: ``*`` stands for any text, ``?`` for one character. Pure."""

from collections.abc import Callable, Iterator

_Position = tuple[int, int]


def is_pattern(text: str) -> bool:
    """Return whether a text stands for more than itself."""
    return "*" in text or "?" in text


def overlap(one: str, other: str) -> bool:
    """Return whether some text matches both patterns."""

    def steps(at: _Position) -> Iterator[_Position]:
        i, j = at
        mine, theirs = one[i : i + 1], other[j : j + 1]
        if "*" in (mine, theirs):
            if mine == "*" or theirs:
                yield (i + 1, j) if mine == "*" else (i, j + 1)
            if mine and theirs:
                yield (i, j + 1) if mine == "*" else (i + 1, j)
        elif mine and theirs and (mine == theirs or "?" in (mine, theirs)):
            yield i + 1, j + 1

    return _reaches(steps, (len(one), len(other)))


def covers(wide: str, narrow: str) -> bool:
    """Return whether every text that matches ``narrow`` also matches ``wide``.

    Sometimes it says no although it is so, as for ``?*`` and ``*?``; never the other way round.
    """

    def steps(at: _Position) -> Iterator[_Position]:
        i, j = at
        mine, theirs = wide[i : i + 1], narrow[j : j + 1]
        if mine == "*":
            yield i + 1, j
            if theirs:
                yield i, j + 1
        elif mine and theirs not in ("", "*") and mine in ("?", theirs):
            yield i + 1, j + 1

    return _reaches(steps, (len(wide), len(narrow)))


def _reaches(steps: Callable[[_Position], Iterator[_Position]], end: _Position) -> bool:
    """Return whether steps lead from the patterns' beginnings to their ends."""
    seen: set[_Position] = set()
    todo = [(0, 0)]
    while todo:
        at = todo.pop()
        if at == end:
            return True
        if at not in seen:
            seen.add(at)
            todo += steps(at)
    return False
