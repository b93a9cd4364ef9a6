"""Part of `make schema`: the Python types of the arguments, with a docstring for each setting."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator

from nix_cache.config.catalogue import Choice, Group, Setting, SettingKind, all_settings, choices_of
from nix_cache.config.spelling import Spelling
from tools.bootstrap import ROOT

ARGUMENT_TYPES = ROOT / "components" / "nix_cache" / "argument_types.py"

_HEAD = '''\
"""The arguments as Python types. Written by `make schema` from `arguments.py`; do not edit."""

from enum import IntEnum, StrEnum
from typing import NotRequired, TypedDict
'''
_WIDTH = 100
_SCALARS = {"string": "str", "integer": "int", "boolean": "bool"}


def argument_types() -> str:
    """Return the module's text."""
    cache, *groups = all_settings()
    # A type is defined before it is used; groups come after those that use them.
    choices = choices_of((cache, *groups))
    classes = [*map(_enum, choices), *(_class(group) for group in (*reversed(groups), cache))]
    names = sorted(
        [*(choice.name for choice in choices), *(f"{group.name}Args" for group in (cache, *groups))]
    )
    exported = "__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n"
    body = "\n\n".join(classes)
    pulumi = "\nimport pulumi\n" if "pulumi." in body else ""
    return _formatted(f"{_HEAD}{pulumi}\n{exported}\n\n{body}")


def _enum(choice: Choice) -> str:
    members = choice.python_members.items()
    kind = "StrEnum" if all(isinstance(value, str) for _, value in members) else "IntEnum"
    text = Spelling.SNAKE_CASE.spell(choice.text)
    lines = [f"class {choice.name}({kind}):", *_docstring(text), ""]
    return "\n".join([*lines, *(f"    {name} = {value!r}" for name, value in members)]) + "\n"


def _class(group: Group) -> str:
    lines = [f"class {group.name}Args(TypedDict):", *_class_docstring(group.text), ""]
    for setting in group.settings:
        kind = _kind(setting.kind, accepts_outputs=setting.accepts_outputs)
        if setting.choice:
            kind = f"{setting.choice.name} | {kind}"
        if setting.can_be_left_out:
            kind = f"NotRequired[{kind}]"
        lines += [f"    {setting.python_name}: {kind}", *_docstring(_text(setting))]
    return "\n".join(lines) + "\n"


def _text(setting: Setting) -> str:
    return Spelling.SNAKE_CASE.spell(setting.text)


def _docstring(text: str) -> Iterator[str]:
    lines = textwrap.wrap(f'"""{text}"""', _WIDTH - 4, break_on_hyphens=False)
    return (f"    {line}" for line in lines)


def _class_docstring(text: str) -> Iterator[str]:
    """Yield the first sentence on a separate line."""
    first, _, rest = text.partition(". ")
    if not rest:
        return _docstring(text)
    lines = textwrap.wrap(rest, _WIDTH - 4, break_on_hyphens=False)
    return (f"    {line}".rstrip() for line in (f'"""{first}.', "", *lines, '"""'))


def _kind(kind: SettingKind, *, accepts_outputs: bool = False) -> str:
    if kind.is_group:
        return f"{kind.name}Args"
    if kind.name == "array" and kind.items:
        return f"list[{_kind(kind.items, accepts_outputs=accepts_outputs)}]"
    if kind.name == "object" and kind.items:
        return f"dict[str, {_kind(kind.items, accepts_outputs=accepts_outputs)}]"
    scalar = _SCALARS[kind.name]
    return f"pulumi.Input[{scalar}]" if accepts_outputs else scalar


def _formatted(text: str) -> str:
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(ARGUMENT_TYPES), "-"]
    return subprocess.run(
        command, cwd=ROOT, input=text, capture_output=True, text=True, check=True
    ).stdout
