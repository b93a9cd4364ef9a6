"""Part of `make schema`: docs/reference/arguments.md, all arguments and outputs of the code."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.bootstrap import ROOT
from tools.markdown import table, words

REFERENCE = ROOT / "docs" / "reference" / "arguments.md"

_INTRODUCTION = """\
# Arguments and outputs

All arguments of the component, and its outputs. The names are those of YAML, TypeScript and Go
programs, and, after `nix-cache:`, of the configuration of the program in this repository. Python
programs use snake_case (`expire_after_days`). All errors in the arguments are reported at once,
before any resource is created. Typed languages have an enum for each choice, such as `Backend`; its
plain value is accepted as well. `make schema` writes this page.

A setting that names another resource accepts an output of it, where the type says so; all others
decide what is created, so they are plain values. A value that is known only while deploying is
checked before any storage is created. What is computed from a secret, such as URLs and nix.conf, is
a secret too. A secret endpoint cannot be published: set `manifest` and `landingPage` to false in a
cache that has one. In a stack's configuration an encrypted value counts as a plain one, except for
`signingKey`.
"""


def reference(schema: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        schema: the package's, as other languages see it.
    """
    [cache] = schema["resources"].values()
    parts = [
        _INTRODUCTION,
        "## Arguments\n",
        table(
            ("argument", "type", "meaning"),
            _arguments(cache["inputProperties"]),
        ),
    ]
    for token, kind in schema["types"].items():
        if "enum" in kind:
            continue  # the settings that are choices have the values
        parts += [
            f"### {_name(token)}\n",
            f"{_text(kind)}\n",
            table(
                ("argument", "type", "meaning"),
                _arguments(kind["properties"]),
            ),
        ]
    outputs = (
        (f"`{name}`", _type(output), _text(output)) for name, output in cache["properties"].items()
    )
    parts += [
        "## Outputs\n",
        table(("output", "type", "meaning"), outputs),
        "The fields of the manifest have [a separate page](manifest.md).\n",
    ]
    return "\n".join(parts)


def _arguments(properties: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, argument in properties.items():
        yield f"`{name}`", _input_type(argument), _text(argument)


def _input_type(argument: Mapping[str, Any]) -> str:
    """Return an argument's type, and whether its value, or each value in it, may be an output."""
    leaf = argument.get("additionalProperties", argument)
    return _type(argument) if leaf.get("plain") else f"{_type(argument)} or output"


def _type(value: Mapping[str, Any]) -> str:
    """Return the type of a value in words; one of the component's own links to its section."""
    if "$ref" in value:
        name = _name(value["$ref"])
        return "anything" if name == "Any" else f"[{name}](#{name.lower()})"
    if value["type"] == "array":
        return f"list of {_type(value['items'])}"
    if value["type"] == "object":
        return f"map of {_type(value['additionalProperties'])}"
    return str(value["type"])


def _name(token: str) -> str:
    """Return what comes last in a type's token or reference."""
    return re.split("[:/]", token)[-1]


def _text(described: Mapping[str, Any]) -> str:
    return words(described["description"])
