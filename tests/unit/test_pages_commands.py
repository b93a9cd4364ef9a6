"""The commands that documents show: marked by what executes them, and known to their programs."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from nix_cache.cli.app import program
from tests.pages import README, Block, blocks, commands, documents
from tests.sources import syntax_tree
from tools.bootstrap import ROOT

LANGUAGES = {"caddyfile", "ini", "json", "nginx", "nix", "python", "sh", "text", "toml", "yaml"}
PAGES = [
    page for page in documents() if page != "CHANGELOG.md" and not page.startswith("tests/fakes/")
]
BLOCKS = [block for page in PAGES for block in blocks(page)]
COMMANDS = [block for block in BLOCKS if block.language == "sh"]
FOR_USERS = [block for block in COMMANDS if block.page != "CONTRIBUTING.md"]
"""A test cannot run the tests, which is what developers' commands do."""
CLIENT = re.compile(
    r"(?:^|[\s(])nix-cache "
    r"((?:use|push|exec|watch-store|hook|pin|unpin|pins|doctor|gc|remove|resign|mirror|stats|help|"
    r"stack)\b[^|#)\n]*)",
    re.MULTILINE,
)
MAKE = re.compile(r"(?:^|\s|\()make ([a-z0-9-]+)", re.MULTILINE)
TARGET = re.compile(r"^([a-z0-9 -]+):", re.MULTILINE)


def place(block: Block) -> str:
    """Return where a block is, for the names of tests."""
    return f"{block.page}:{block.line}"


def claims() -> Iterator[tuple[str, str]]:
    """Return the pages and sections whose commands a test asks for, from the tests' sources."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        if file == Path(__file__):
            continue
        tree = syntax_tree(file.read_text(encoding="utf-8"))
        names = {"README": README}
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                    names[name] = value
        for call in ast.walk(tree):
            match call:
                case ast.Call(
                    func=ast.Name(id="commands"),
                    args=[page, ast.Constant(value=str(title))],
                ):
                    yield (
                        names[page.id] if isinstance(page, ast.Name) else ast.literal_eval(page),
                        title,
                    )


def test_the_documents_have_commands() -> None:
    """The lists above are not empty by mistake."""
    assert len(PAGES) > 30
    assert len([block for block in COMMANDS if block.is_executed]) > 20


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_every_fence_has_a_language(block: Block) -> None:
    """One that highlighters know; the mark of executed commands comes after it."""
    assert block.language in LANGUAGES
    assert set(block.marks) <= ({"run"} if block.language == "sh" else set())


@pytest.mark.parametrize("block", FOR_USERS, ids=place)
def test_every_command_is_executed_or_has_a_reason_not_to_be(block: Block) -> None:
    """Either ```` ```sh run````, or a comment ``<!-- not run: REASON -->`` before the fence."""
    assert block.is_executed != bool(block.reason)
    assert block.is_executed or len(block.reason) > 10


def test_a_test_executes_every_block_that_is_marked() -> None:
    """By `commands` of `tests.pages`; those of the examples by the name of their folder."""
    marked = {
        (block.page, block.section)
        for block in COMMANDS
        if block.is_executed and not block.page.startswith("examples/")
    }

    assert marked == set(claims())
    for page, title in marked:
        assert commands(page, title)


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_the_client_knows_the_options_that_documents_show(block: Block) -> None:
    """Every option and argument, also in commands that no test executes."""
    group = typer.main.get_group(program())
    for line in CLIENT.findall(block.content.replace("\\\n", " ")):
        name, *arguments = shlex.split(line)
        command = group.commands[name]
        if isinstance(command, typer.core.TyperGroup):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(name, arguments).close()


def test_every_command_of_the_client_is_in_the_documents() -> None:
    """Each has an example."""
    commands = typer.main.get_group(program()).commands
    shown = {line.split()[0] for block in COMMANDS for line in CLIENT.findall(block.content)}

    assert set(commands) - {"help"} <= shown


@pytest.mark.parametrize("block", COMMANDS, ids=place)
def test_every_target_of_make_exists(block: Block) -> None:
    """Those that documents show."""
    targets = set(" ".join(TARGET.findall((ROOT / "Makefile").read_text())).split())

    assert set(MAKE.findall(block.content)) <= targets
