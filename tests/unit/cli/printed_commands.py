"""Every command that a message of the package prints, from its sources."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.sources import syntax_tree
from tools.bootstrap import ROOT

VALUE = "VALUE"
"""Stands for a value that is only known when a message is printed."""

FOLDERS = (ROOT / "components" / "nix_cache", ROOT / "tools")
_PROGRAMS = ("nix-cache", "pulumi", "make")
_COMMAND = re.compile(rf"`(?P<words>(?:sudo )?(?:{'|'.join(_PROGRAMS)}) [^`\n]+)`")
_ORDER = re.compile(r"\b(?:[Rr]un|first|then|with) $")


@dataclass(frozen=True)
class Printed:
    """A command in a message.

    Attributes:
        place: the file and line.
        message: the whole text, with ``VALUE`` for each value in it.
        words: the command.
        is_order: whether the reader shall run it; else the message mentions it.
    """

    place: str
    message: str
    words: str
    is_order: bool


def printed() -> Iterator[Printed]:
    """Yield all commands in texts that are not docstrings."""
    for folder in FOLDERS:
        for file in sorted(folder.rglob("*.py")):
            tree = syntax_tree(file.read_text(encoding="utf-8"))
            for line, text in _texts(tree):
                for found in _COMMAND.finditer(text):
                    place = f"{file.relative_to(ROOT)}:{line}"
                    is_order = bool(_ORDER.search(text[: found.start()]))
                    yield Printed(place, text, found["words"].removeprefix("sudo "), is_order)


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    within = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if id(node) in prose | within:
            continue
        match node:
            case ast.JoinedStr(values=parts, lineno=line):
                yield (
                    line,
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else VALUE
                        for part in parts
                    ),
                )
            case ast.Constant(value=str(text), lineno=line):
                # Templates of `str.format` have their values in braces.
                yield line, re.sub(r"\{\w+\}", VALUE, text)
