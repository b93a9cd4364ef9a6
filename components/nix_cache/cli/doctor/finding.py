"""What a check finds: how bad it is, what it is, why it matters, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOT_CHECKED = "not checked"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        level: how bad it is.
        what: what is the case, naming the thing and its value; one line.
        why: why it matters; one line. Empty for what is well.
        fix: what to do about it, as an order; one line. Empty for what is well.
        items: what it is about, where that is many things.
    """

    level: Level
    what: str
    why: str = ""
    fix: str = ""
    items: tuple[str, ...] = ()


def ok(what: str) -> Finding:
    """Return what was looked at and is well."""
    return Finding(Level.OK, what)


def not_checked(what: str, reason: str, fix: str = "") -> Finding:
    """Return what could not be checked. It is never reported as ok.

    Args:
        what: what would have been looked at.
        reason: why it was not.
        fix: what to do so that it is.
    """
    return Finding(Level.NOT_CHECKED, f"{what}: {reason}", fix=fix)


def warning(what: str, why: str, fix: str, items: Iterable[str] = ()) -> Finding:
    """Return what works for now, or is only half as good as it could be."""
    return Finding(Level.WARNING, what, why, fix, tuple(items))


def error(what: str, why: str, fix: str, items: Iterable[str] = ()) -> Finding:
    """Return what fails, or allows what must be denied."""
    return Finding(Level.ERROR, what, why, fix, tuple(items))
