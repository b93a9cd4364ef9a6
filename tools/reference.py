"""Part of `make schema`: docs/reference/arguments.md, all arguments and outputs of the code."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from nix_cache.formats.manifest import Manifest
from tools.bootstrap import ROOT

REFERENCE = ROOT / "docs" / "reference" / "arguments.md"

_INTRODUCTION = """\
# Reference

Written by `make schema` from the code. Names are those of YAML, TypeScript and Go programs, and,
below `nix-cache:`, of the configuration of the program in this repository. Python programs write
the same in snake_case (`expire_after_days`); an editor shows them these texts. All mistakes are
reported at once, before anything is made.
"""


def reference(schema: Mapping[str, Any]) -> str:
    """The page.

    Args:
        schema: the package's, as other languages see it.
    """
    [cache] = schema["resources"].values()
    parts = [
        _INTRODUCTION,
        "## Arguments\n",
        _table(
            ("argument", "type", "meaning"),
            _arguments(cache["inputProperties"]),
        ),
    ]
    for token, kind in schema["types"].items():
        parts += [
            f"### {_name(token)}\n",
            f"{_text(kind)}\n",
            _table(
                ("argument", "type", "meaning"),
                _arguments(kind["properties"]),
            ),
        ]
    outputs = (
        (f"`{name}`", _type(output), _text(output)) for name, output in cache["properties"].items()
    )
    parts += [
        "## Outputs\n",
        _table(("output", "type", "meaning"), outputs),
        f"### The output `manifest`\n\n{_words(Manifest.__doc__ or '')}\n",
        _table(("field", "meaning"), _fields(Manifest)),
    ]
    return "\n".join(parts)


def _arguments(properties: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, argument in properties.items():
        yield f"`{name}`", _type(argument), _text(argument)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    """The fields of a model by alias, with the docstring below each.

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
                yield f"`{model.model_fields[name].alias}`", _words(docstring)


def _type(told: Mapping[str, Any]) -> str:
    """A type in words, with a link to the one of its own."""
    if "$ref" in told:
        name = _name(told["$ref"])
        return "anything" if name == "Any" else f"[{name}](#{name.lower()})"
    if told["type"] == "array":
        return f"list of {_type(told['items'])}"
    if told["type"] == "object":
        return f"map of {_type(told['additionalProperties'])}"
    return str(told["type"])


def _name(token: str) -> str:
    """What comes last in a type's token or reference."""
    return re.split("[:/]", token)[-1]


def _text(told: Mapping[str, Any]) -> str:
    return _words(told["description"])


def _words(text: str) -> str:
    """A description, in Markdown's code marks and on one line."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
