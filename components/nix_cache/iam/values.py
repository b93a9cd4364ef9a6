"""Values of a resource, of which a preview may not know some yet. Pure."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final


class Unknown(Enum):
    """The type of ``UNKNOWN``."""

    UNKNOWN = "a value that a preview does not know yet"


UNKNOWN: Final = Unknown.UNKNOWN
"""Stands in a resource's properties where a preview does not know the value yet."""


class NotYetKnownError(Exception):
    """A rule has no result, mostly because a value is not known yet. ``str()`` gives the reason."""


def read(value: Any, *path: str) -> Any:
    """Return the value at a path within a value; None if there is none.

    Raises:
        NotYetKnownError: a value on the way is not known yet.
    """
    steps: list[str] = []
    for step in path:
        if value is UNKNOWN:
            break
        steps.append(step)
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is UNKNOWN:
        raise NotYetKnownError(f"{'.'.join(steps) or 'a value in a list'} is not known yet")
    return value


def read_list(value: Any, *path: str) -> list[Any]:
    """Return the items at a path as a list. A single value is a list of one, None is empty.

    Raises:
        NotYetKnownError: a value on the way is not known yet. That of an item may still be unknown.
    """
    found = read(value, *path)
    if found is None:
        return []
    return list(found) if isinstance(found, list | tuple) else [found]


def is_true(value: Any) -> bool:
    """Return whether a setting is on. Providers get theirs as text."""
    return value is True or (isinstance(value, str) and value.lower() in {"true", "t", "1"})
