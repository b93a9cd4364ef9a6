"""Tables and texts in Markdown from descriptions in the code."""

import ast
import inspect
from collections.abc import Iterable, Iterator
from itertools import pairwise

from pydantic import BaseModel


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table, whose last line ends."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("|  |", "| |")


def words(text: str) -> str:
    """Return a description on one line, with Markdown's marks for code."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def fields(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a model by alias, with the docstring below each.

    The model does not carry them at run time: to read its source would slow down every command.
    """
    [definition] = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    for field, text in pairwise(definition.body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(docstring))),
            ):
                yield model.model_fields[name].alias or name, words(docstring)
