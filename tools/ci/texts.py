"""Reports as Markdown: what was planned, done or found, without a value. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nix_cache.shown import shown
from tools.ci.outcome import PolicyVerdict, ResourceChange, RunOutcome

_MOST_ROWS = 100
_MOST_PROPERTIES = 6
_LONGEST_MESSAGE = 2000
"""Characters of a policy's or the engine's message; GitHub takes 65,536 in all."""

_PAST = {
    "create": "created",
    "import": "imported",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
}


def preview(stack: str, found: RunOutcome) -> str:
    """Return what a stack's preview found."""
    return _section(stack, found, _counted(found.changes, "to {}".format))


def deployment(stack: str, done: RunOutcome) -> str:
    """Return what an update of a stack did."""
    return _section(stack, done, _counted(done.changes, _PAST.__getitem__))


def drift(stack: str, found: Sequence[Mapping[str, Any]]) -> str:
    """Return what changed outside of a stack.

    Args:
        stack: its name.
        found: what `make drift` printed, each with ``what``, ``was``, ``is`` and ``fix``.
    """
    if not found:
        return f"### `{stack}`: no drift\n"
    columns = ("what", "was", "is", "fix")
    rows = [[_code(entry.get(column)) for column in columns] for entry in found]
    return f"### `{stack}`: changed outside\n\n{_table(columns, rows)}"


def _section(stack: str, found: RunOutcome, summary: str) -> str:
    parts = [f"### `{stack}`: {summary if found.succeeded else 'failed'}\n"]
    if found.changes:
        rows = [
            [change.operation, _code(change.name), _code(change.kind), _properties(change)]
            for change in found.changes
        ]
        parts.append(_table(("change", "resource", "kind", "properties"), rows))
    parts += [_verdict(verdict) for verdict in found.verdicts]
    parts += [f"**Error**\n\n{_block(error)}" for error in found.errors]
    return "\n".join(parts)


def _counted(changes: Iterable[ResourceChange], phrase: Callable[[str], str]) -> str:
    counts = Counter(change.operation for change in changes)
    return ", ".join(f"{count} {phrase(o)}" for o, count in counts.items()) or "no changes"


def _properties(change: ResourceChange) -> str:
    shown = [_code(name) for name in change.properties[:_MOST_PROPERTIES]]
    further = len(change.properties) - len(shown)
    return ", ".join([*shown, *([f"and {further} more"] if further else [])])


def _verdict(verdict: PolicyVerdict) -> str:
    level = "Policy, stops the update" if verdict.is_mandatory else "Policy, advice"
    where = f" on {_code(verdict.resource)}" if verdict.resource else ""
    return f"**{level}**: {_code(verdict.policy)}{where}\n\n{_block(verdict.message)}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows[:_MOST_ROWS]]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if further := max(0, len(rows) - _MOST_ROWS):
        text += f"\nand {further} more, which are in the job's log\n"
    return text


def _code(value: object) -> str:
    """Return a value as code on one line, where nothing in it is a link, a mention or a tag."""
    text = shown(" ".join(("" if value is None else str(value)).split()))
    text = text.replace("`", "'").replace("|", r"\|")
    return f"`{text}`" if text else ""


def _block(message: str) -> str:
    """Return a message as it is, in a fence that is longer than any within it."""
    message = shown(message, lines=True)
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}\n…"
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", message) or ["``"]))
    return f"{fence}text\n{message}\n{fence}\n"
