"""Prints what was changed outside: for people on a terminal, or as one document for programs."""

from collections.abc import Mapping, Sequence

from nix_cache.backends.drift import Finding, as_document
from nix_cache.cli.machine.console import Console, columns, document, err, out


def report(findings: Sequence[Finding], stack: str, *, as_json: bool = False) -> None:
    """Print all findings as the result.

    Args:
        findings: every difference.
        stack: the stack's name.
        as_json: whether a program reads it.
    """
    command = f"nix-cache stack repair --stack {stack}"
    if as_json:
        document(as_document(findings, command))
    elif not findings:
        out.print(f"No drift: what the stack {stack} made is as it made it.")
    else:
        out.print()
        out.print(f"Changed outside, on the stack {stack}", style="bold")
        for finding in findings:
            _print(finding, ("fix", f"`{command}` {finding.remedy}"), out)
        out.print()
        out.print("To repair all of it:", end=" ")
        out.print(command, style="bold")


def announce(findings: Sequence[Finding]) -> None:
    """Print what a repair will do, before it does it."""
    if findings:
        err.print()
        err.print("Changed outside, and what is done about it", style="bold")
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
