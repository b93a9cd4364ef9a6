"""Mistakes in settings, in words for those who made them: key, value, mistake, fix."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel, to_snake

from nix_cache.shown import shown, shown_value

_SECRETS = frozenset({"signingKey"})
"""Settings whose values no message may show."""

_WORDING = {
    "missing": "is missing",
    "string_type": "is not text",
    "string_pattern_mismatch": "has another form",
    "int_type": "is not a whole number",
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "bool_type": "is neither true nor false",
    "bool_parsing": "is neither true nor false",
    "tuple_type": "is not a list",
    "model_type": "is not an object",
    "greater_than_equal": "is below {ge}",
    "less_than_equal": "is above {le}",
    "literal_error": "is not one of those known",
    "value_error": "{error}",
}
"""For each of pydantic's kinds of error: what is wrong, as the rest of a sentence."""


@dataclass(frozen=True)
class Problem:
    """One mistake.

    Attributes:
        key: where it is, in camelCase: ``writers[0].name``.
        value: what stands there, as text; empty where nothing does. Never a secret.
        mistake: what is wrong with it, as the rest of a sentence.
        fix: what to write instead.
    """

    key: str
    value: str
    mistake: str
    fix: str


class SettingsError(ValueError):
    """Some settings are wrong. ``problems`` has every mistake, and the message tells them all."""

    def __init__(
        self, problems: Sequence[Problem], *, prefix: str = "", snake_case: bool = False
    ) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = [f"{count} in the settings of the cache. Nothing was changed."]
        for problem in problems:
            key = to_snake(problem.key) if snake_case else problem.key
            value = f" = {problem.value}" if problem.value else ""
            lines += [
                shown(f"  {prefix}{key}{value} {problem.mistake}"),
                shown(f"      fix: {problem.fix}"),
            ]
        super().__init__("\n".join(lines))


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Every mistake that pydantic found, in this project's words."""
    return [_problem(dict(entry), model) for entry in error.errors(include_url=False)]


def _problem(entry: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    path = [to_camel(step) if isinstance(step, str) else step for step in entry["loc"]]
    kind: str = entry["type"]
    fix, siblings = _look_up(model, path)
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(path[-1]), siblings, n=1)
        guess = f"perhaps {close[0]}" if close else f"one of {', '.join(siblings)}"
        # Its value is not shown: what is no setting of ours may be a secret of somebody's.
        return Problem(_spell(path), "", "is no setting", guess)
    value = "" if kind == "missing" else _show(path, entry["input"])
    mistake = _WORDING.get(kind, "is wrong: {msg}").format(msg=entry["msg"], **entry.get("ctx", {}))
    return Problem(_spell(path), value, mistake, fix)


def _look_up(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, list[str]]:
    """The description of the field at a path, and the names of the fields beside it."""
    fix = ""
    siblings: list[str] = []
    current: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, int) or current is None:
            continue
        fields = {field.alias or name: field for name, field in current.model_fields.items()}
        siblings = list(fields)
        if step not in fields:
            break
        fix = fields[step].description or fix
        current = _model_within(fields[step].annotation)
    return fix, siblings


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


def _show(path: Sequence[str | int], value: object) -> str:
    if _SECRETS.intersection(map(str, path)):
        return "(secret)"
    if isinstance(value, dict):
        return f"(an object with {', '.join(map(str, value)) or 'nothing in it'})"
    if isinstance(value, list | tuple):
        return f"(a list of {len(value)})"
    return shown_value(repr(value))
