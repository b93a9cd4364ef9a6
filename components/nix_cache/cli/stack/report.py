"""Prints what was changed outside: for people on a terminal, or as one document for programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from nix_cache.backends.drift import Finding
from nix_cache.cli.machine.console import Console, columns, document, err, note, out
from nix_cache.cli.stack.check import Checked, labelled


def report(checked: Checked, stack: str, command: str, *, as_json: bool = False) -> None:
    """Print all findings as the result.

    Args:
        checked: what was found.
        stack: the stack's name.
        command: the command that repairs all of it.
        as_json: whether a program reads it.
    """
    for name, title in checked.refreshed.items():
        note(
            f"the cache {name} was checked by the engine's refresh alone, because nix-cache cannot "
            f"ask {title} itself: changes that the provider does not read are not found"
        )
    if as_json:
        document(as_document(checked, command))
    elif not checked.findings:
        out.print(f"No drift: everything is as the stack {stack} made it.")
    else:
        out.print()
        out.print(f"Changed outside, on the stack {stack}", style="bold")
        for finding in checked.findings:
            _print(finding, ("fix", f"`{command}` {finding.remedy}"), out)
        out.print()
        out.print("To repair all of it:", end=" ")
        out.print(command, style="bold")


def as_document(checked: Checked, command: str) -> dict[str, Any]:
    """Return the findings for programs, and by cache whether its service or a refresh was asked.

    Args:
        checked: what was found.
        command: the command that repairs all of it.
    """
    labels = labelled(checked.found)
    asked = {labels[one.cache.urn]: "service" for one in checked.asked}
    return {
        "drift": [
            {
                "what": finding.what,
                "was": finding.was,
                "is": finding.now,
                "fix": f"`{command}` {finding.remedy}",
            }
            for finding in checked.findings
        ],
        "checkedBy": {**asked, **dict.fromkeys(checked.refreshed, "refresh")},
    }


def announce(findings: Sequence[Finding]) -> None:
    """Print what a repair does, before it starts."""
    if findings:
        err.print()
        err.print("Changed outside, and how it is repaired", style="bold")
    for finding in findings:
        _print(finding, ("repair", finding.remedy), err)
    if findings:
        err.print()


def changes(stack: str, counts: Mapping[str, int]) -> None:
    """Print what an update changed."""
    done = ", ".join(
        f"{count} {operation}{'d' if operation.endswith('e') else 'ed'}"
        for operation, count in counts.items()
    )
    out.print(f"The stack {stack} is up to date ({done or 'no changes'}).")


def _print(finding: Finding, last: tuple[str, str], console: Console) -> None:
    console.print()
    console.print(f"  {finding.what}", style="bold")
    columns([("  was", finding.was), ("  is", finding.now), (f"  {last[0]}", last[1])], console)
