"""Mistakes in settings, in words for those who made them: key, value, mistake, fix."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from nix_cache.config.setting import is_output, is_secret, must_be
from nix_cache.shown import shown, shown_value

_WORDING = {
    "missing": "is required",
    "string_type": "is not text",
    "string_pattern_mismatch": "has an invalid format",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "tuple_type": "is not a list",
    "dict_type": "is not an object",
    "too_long": "has more than {max_length} entries",
    "string_too_short": "is empty",
    "model_type": "is not an object",
    "greater_than_equal": "is below {ge}",
    "less_than_equal": "is above {le}",
    "literal_error": "is not one of the allowed values",
    "value_error": "{error}",
}
"""For each of pydantic's kinds of error: what is wrong, as the rest of a sentence."""

_OUTPUT = "is a secret or an output of a resource, so it is not known when the cache is planned"

_CAMEL_CASE = re.compile(r"(?<![\w:.])(?:[a-z0-9]+\.)?[a-z]+(?:[A-Z][a-z]+)+\b(?!:)")
"""The name of one of our settings in a text; one of a provider has a colon before it."""

_CAPITAL_WITHIN = re.compile(r"(?<=[a-z0-9])[A-Z]")


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        key: where it is, in camelCase: ``writers[0].name``.
        value: what stands there, as text; empty where nothing does. Never a secret.
        mistake: what is wrong with it, as the rest of a sentence.
        fix: what to do, as an imperative. Like ``mistake``, it names settings in camelCase.
    """

    key: str
    value: str
    mistake: str
    fix: str


class SettingsError(ValueError):
    """Some settings are wrong. ``problems`` has every mistake, and the message lists them all.

    Args:
        problems: the mistakes.
        prefix: what the message puts before each key, such as ``nix-cache:``.
        snake_case: whether the message spells settings as Python programs do.
    """

    def __init__(
        self, problems: Sequence[Problem], *, prefix: str = "", snake_case: bool = False
    ) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = [f"{count} in the settings of the cache. Nothing was changed."]
        for problem in problems:
            key = _snake_case(problem.key) if snake_case else problem.key
            mistake, fix = (
                in_snake_case(text) if snake_case else text
                for text in (problem.mistake, problem.fix)
            )
            value = f" = {problem.value}" if problem.value else ""
            lines += [shown(f"  {prefix}{key}{value} {mistake}"), shown(f"      fix: {fix}")]
        super().__init__("\n".join(lines))


def in_snake_case(text: str) -> str:
    """Spell the settings that a text of ours names as Python programs do."""
    return _CAMEL_CASE.sub(lambda name: _snake_case(name[0]), text)


def _snake_case(name: str) -> str:
    """Spell a setting as Python programs do. Digits begin no word: ``b2`` stays ``b2``."""
    return _CAPITAL_WITHIN.sub(lambda capital: f"_{capital[0].lower()}", name)


def problems_of(
    error: ValidationError, model: type[BaseModel], within: str = "", beside: Sequence[str] = ()
) -> list[Problem]:
    """Every mistake that pydantic found, in this project's words.

    Args:
        error: what pydantic found.
        model: the settings that it looked at.
        within: the setting whose value they are.
        beside: the names of further settings that are allowed at the top.
    """
    found = (dict(entry) for entry in error.errors(include_url=False))
    return [_problem(entry, model, within, beside) for entry in found]


def object_of(model: type[BaseModel]) -> str:
    """An object with a model's settings, in words."""
    *names, last = (field.alias or name for name, field in model.model_fields.items())
    return "an object with " + (f"{', '.join(names)} or {last}" if names else last)


def _problem(
    entry: Mapping[str, Any], model: type[BaseModel], within: str, beside: Sequence[str]
) -> Problem:
    path = [to_camel(step) if isinstance(step, str) else step for step in entry["loc"]]
    kind: str = entry["type"]
    fix, siblings, secret = _look_up(model, path)
    full_path = [within, *path] if within else path
    if kind == "extra_forbidden":
        siblings = [*siblings, *(beside if len(path) == 1 else ())]
        close = difflib.get_close_matches(str(path[-1]), siblings, n=1)
        guess = f"did you mean {close[0]}?" if close else f"use one of {', '.join(siblings)}"
        # Its value is not shown: it may be a secret that was meant for another setting.
        return Problem(_spell(full_path), "", "is an unknown setting", guess)
    if kind != "missing" and is_output(entry["input"]):
        plain = f"set it to a plain value: {fix.replace('``', '')}"
        return Problem(_spell(full_path), "", _OUTPUT, plain)
    value = "" if kind == "missing" else "(secret)" if secret else _show(entry["input"])
    mistake = _WORDING.get(kind, "is wrong: {msg}").format(msg=entry["msg"], **entry.get("ctx", {}))
    return Problem(_spell(full_path), value, mistake, f"set it to {fix.replace('``', '')}")


def _look_up(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, list[str], bool]:
    """What a setting must be, the names of those beside it, and whether it is secret."""
    secret = False
    fix = object_of(model)
    siblings: list[str] = []
    current: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, int) or current is None:
            continue
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        siblings = list(fields)
        if step not in fields:
            break
        inner = _model_within(fields[step].annotation)
        secret = secret or is_secret(fields[step])
        fix = must_be(fields[step]) or (object_of(inner) if inner else fix)
        current = inner
    return fix, siblings, secret


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation such as ``tuple[Writer, ...]`` or ``Writer | None`` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_within(part) for part in get_args(annotation))
    return next((model for model in found if model), None)


def _spell(path: Sequence[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _show(value: object) -> str:
    if isinstance(value, dict):
        return f"(an object with {', '.join(map(str, value)) or 'nothing in it'})"
    if isinstance(value, list | tuple):
        return f"(a list of {len(value)})"
    return shown_value(repr(value))
