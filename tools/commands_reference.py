"""Part of `make schema`: docs/reference/commands.md, the `--help` of every command."""

from collections.abc import Iterator
from typing import Any

import typer

from nix_cache.cli.app import program
from tools.bootstrap import ROOT

COMMANDS = ROOT / "docs" / "reference" / "commands.md"

WIDTH = 80
"""Columns of the texts."""

_INTRODUCTION = """\
# Commands

What `nix-cache COMMAND --help` prints, at a width of 80 columns. `make schema` writes this page.
Scripts can rely on the exit codes: 0 for success, 1 for a failure, 2 for a wrong command line and
130 after Ctrl-C. `nix-cache stack drift` is different: 2 means drift there. `nix-cache exec` exits
with the code of its command.
"""


def commands_reference() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for name, text in helps():
        heading = f"## {name}\n\n" if name.count(" ") < 2 else f"### {name}\n\n"
        parts.append(f"{heading}```text\n{text}\n```\n")
    return "\n".join(parts)


def helps() -> Iterator[tuple[str, str]]:
    """Yield every command's whole name and what its `--help` prints, groups before their own."""
    yield from _helps(typer.main.get_command(program()), None)


def _helps(command: Any, parent: Any) -> Iterator[tuple[str, str]]:
    name = "nix-cache" if parent is None else command.name
    context = command.context_class(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH - 2,  # as wide as on a terminal, which keeps a margin
        help_option_names=["-h", "--help"],
    )
    yield context.command_path, command.get_help(context)
    for inner in getattr(command, "commands", {}).values():
        yield from _helps(inner, context)
