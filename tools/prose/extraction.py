"""Extracts the prose of a source file with its lines: texts, docstrings, comments and names."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CODE_SPAN = re.compile(r"``[^`]*``|`[^`\n]*`")
WORDS = re.compile(r"[A-Za-z]{2,}[,.;:]? +\(?[A-Za-z]{2,}")
"""Two words in a row: what has none of it is a key, a path or a value, and no prose."""


@dataclass(frozen=True)
class Paragraph:
    """A piece of prose on one line, and the source lines that its words come from."""

    text: str
    starts: tuple[tuple[int, int], ...]
    """The columns (from 0) at which lines of the source begin, and the numbers of these lines."""

    def line(self, column: int) -> int:
        """Return the line of the source that has the character at `column`."""
        return next(number for start, number in reversed(self.starts) if start <= column)


def paragraphs(path: Path) -> list[Paragraph]:
    """Return the prose of a file, in the order of its lines.

    A Python file is read by its syntax tree. Of any other file, all text is prose.

    Args:
        path: a Python file, or another text file that is not Markdown, which vale reads itself.
    """
    text = path.read_text(encoding="utf-8")
    found = _python(text) if path.suffix == ".py" else _joined(1, text)
    return sorted(found, key=lambda paragraph: paragraph.starts[0][1])


def _python(source: str) -> Iterator[Paragraph]:
    parts_of_texts: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.JoinedStr():
                parts_of_texts.update(node.values)
                parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
                yield from _prose(node.lineno, "".join(map(str, parts)))
            case ast.Constant(value=str(text)) if node not in parts_of_texts:
                yield from _prose(node.lineno, text)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield _name(node.lineno, node.name)
            case ast.arg():
                yield _name(node.lineno, node.arg)
            case ast.Name(ctx=ast.Store()):
                yield _name(node.lineno, node.id)
    yield from _comments(source)


def _comments(source: str) -> Iterator[Paragraph]:
    """Return each block of comment lines as one text."""
    block: list[str] = []
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1:
            yield from _joined(last + 1 - len(block), "\n".join(block))
            block = []
        block.append(token.string.lstrip("#:! "))
        last = token.start[0]
    yield from _joined(last + 1 - len(block), "\n".join(block))


def _prose(line: int, text: str) -> Iterator[Paragraph]:
    if WORDS.search(text):
        yield from _joined(line, text)


def _joined(line: int, text: str) -> Iterator[Paragraph]:
    """Join the lines of each paragraph, without code spans and indentation."""
    text = CODE_SPAN.sub(lambda span: "\n" * span[0].count("\n") + "…", text)
    pieces: list[str] = []
    starts: list[tuple[int, int]] = []
    column = 0
    for number, piece in enumerate([*text.split("\n"), ""], start=line):
        words = " ".join(piece.strip(" \t#/*").split())
        if words:
            starts.append((column, number))
            pieces.append(words)
            column += len(words) + 1
        elif pieces:
            yield Paragraph(" ".join(pieces), tuple(starts))
            pieces, starts, column = [], [], 0


def _name(line: int, name: str) -> Paragraph:
    """Return the words of a name in snake_case or CamelCase."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return Paragraph(" ".join(spaced.replace("_", " ").split()).lower() or "…", ((0, line),))
