"""The README's lines for `nix-cache`, read as the command reads them."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from nix_cache.cli.app import app

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s(])nix-cache ((?:use|push|hook|doctor|gc)\b[^|#)\n]*)", re.MULTILINE)

LINES = [
    line.strip() for block in BLOCK.findall(README.read_text()) for line in COMMAND.findall(block)
]


def test_all_commands_are_in_the_readme() -> None:
    """Each has its place there."""
    assert {line.split()[0] for line in LINES} == {"use", "push", "hook", "doctor", "gc"}


@pytest.mark.parametrize("line", LINES)
def test_the_command_knows_what_the_readme_says(line: str) -> None:
    """Every option and argument is one that it has."""
    name, *arguments = shlex.split(line)
    group = typer.main.get_group(app)
    command = group.commands[name]

    command.make_context(name, arguments).close()
