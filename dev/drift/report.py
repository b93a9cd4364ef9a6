"""Prints what was changed outside: for people on a terminal, or as one document for programs."""

from collections.abc import Sequence

from dev.drift.check import Checked
from dev.drift.finding import Finding, as_document
from nix_cache.cli.machine.console import Console, columns, document, err, out


def tell(checked: Checked, stack: str, *, as_json: bool = False) -> None:
    """Print all findings as the result.

    Args:
        checked: what came of the check.
        stack: the stack's name.
        as_json: whether a program reads it.
    """
    if as_json:
        document(as_document(checked.findings, checked.command))
    elif not checked.findings:
        out.print(f"Nothing was changed outside: what the stack {stack} made is as it made it.")
    else:
        out.print()
        out.print(f"Changed outside, on the stack {stack}", style="bold")
        for finding in checked.findings:
            _tell(finding, ("fix", f"`{checked.command}` {finding.remedy}"), out)
        out.print()
        out.print("To bring all of it back:", end=" ")
        out.print(checked.command, style="bold")


def announce(findings: Sequence[Finding]) -> None:
    """Print what a repair will do, before it does it."""
    if findings:
        err.print()
        err.print("Changed outside, and what is done about it", style="bold")
    for finding in findings:
        _tell(finding, ("repair", finding.remedy), err)
    if findings:
        err.print()


def _tell(finding: Finding, last: tuple[str, str], console: Console) -> None:
    console.print()
    console.print(f"  {finding.what}", style="bold")
    columns([("  was", finding.was), ("  is", finding.now), (f"  {last[0]}", last[1])], console)
