"""Mistakes in settings, in words for those who made them: key, value, mistake, fix."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from nix_cache.config.setting import is_output, is_secret, must_be
from nix_cache.config.spelling import Spelling
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
        spelling: how the message spells settings.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        *,
        prefix: str = "",
        spelling: Spelling = Spelling.CAMEL_CASE,
    ) -> None:
        self.problems = tuple(problems)
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = [f"{count} in the settings of the cache. Nothing was changed."]
        for problem in problems:
            key = prefix + spelling.spell_key(problem.key)
            mistake, fix = spelling.spell(problem.mistake), spelling.spell(problem.fix)
            value = f" = {problem.value}" if problem.value else ""
            lines += [shown(f"  {key}{value} {mistake}"), shown(f"      fix: {fix}")]
        super().__init__("\n".join(lines))


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
    """Return an object with a model's settings, in words."""
    *names, last = (field.alias or name for name, field in model.model_fields.items())
    return "an object with " + (f"{', '.join(names)} or {last}" if names else last)


def fix_of(model: type[BaseModel], path: Sequence[str | int]) -> str:
    """Return what to set a setting to, as an imperative.

    Args:
        model: the settings that it is one of.
        path: where it is among them.
    """
    return f"set it to {_look_up(model, path).allowed}"


def _problem(
    entry: Mapping[str, Any], model: type[BaseModel], within: str, beside: Sequence[str]
) -> Problem:
    place = _look_up(model, entry["loc"])
    kind: str = entry["type"]
    key = _spell([within, *place.path] if within else place.path)
    if kind == "extra_forbidden":
        name = str(place.path[-1])
        siblings = [*place.siblings, *(beside if len(place.path) == 1 else ())]
        guess = _guess(name, siblings, within)
        # Its value is not shown: it may be a secret that was meant for another setting.
        return Problem(key, "", "is an unknown setting", guess)
    if kind != "missing" and is_output(entry["input"]):
        return Problem(key, "", _OUTPUT, f"set it to a plain value: {place.allowed}")
    value = "" if kind == "missing" else "(secret)" if place.secret else _show(entry["input"])
    mistake = _WORDING.get(kind, "is wrong: {msg}").format(msg=entry["msg"], **entry.get("ctx", {}))
    return Problem(key, value, mistake, f"set it to {place.allowed}")


def _guess(name: str, siblings: Sequence[str], within: str) -> str:
    """Return what to do about an unknown setting, as an imperative or a question.

    Args:
        name: its name.
        siblings: the settings beside it.
        within: the setting that has the whole group; empty at the top.
    """
    if _is_path(name):
        return "remove it, and set it again by the option --path of `pulumi config set`"
    from nix_cache.config.catalogue import places_of  # it lists what this is imported by

    elsewhere = places_of(name, in_backends=not within)
    if meant := elsewhere or difflib.get_close_matches(name, siblings, n=1):
        return f"did you mean {' or '.join(meant)}?"
    return f"use one of {', '.join(siblings)}"


def _is_path(name: str) -> bool:
    """Return whether a name is a path, which `pulumi config set` reads only with ``--path``."""
    return "." in name or "[" in name


@dataclass
class _Place:
    """A place in the settings.

    Attributes:
        path: the steps to it, names of settings in camelCase.
        allowed: what can be there, in words.
        siblings: the names of the settings beside it.
        secret: whether what is there is secret.
    """

    path: list[str | int]
    allowed: str
    siblings: Sequence[str] = ()
    secret: bool = False


def _look_up(model: type[BaseModel], path: Sequence[str | int]) -> _Place:
    place = _Place(path=[], allowed=object_of(model))
    current: Any = model
    for step in path:
        holder = _unwrapped(current)
        if isinstance(holder, type) and issubclass(holder, BaseModel):
            name = str(step) if _is_path(str(step)) else to_camel(str(step))
            fields = {field.alias or name: field for name, field in holder.model_fields.items()}
            place.path.append(name)
            place.siblings = list(fields)
            if name not in fields:
                break
            current = fields[name].annotation
            place.secret = place.secret or is_secret(fields[name])
            place.allowed = must_be(fields[name]) or _allowed(current)
        else:
            place.path.append(step)
            items = {tuple: 0, dict: 1}.get(get_origin(holder))
            if items is None:
                break
            current = get_args(holder)[items]
            place.allowed = _allowed(current)
    place.allowed = place.allowed.replace("``", "")
    return place


def _allowed(annotation: Any) -> str:
    """Return what a type allows, in words."""
    if get_origin(annotation) is Annotated:
        own = (must_be(extra) for extra in get_args(annotation)[1:] if isinstance(extra, FieldInfo))
        return next(filter(None, own), "") or _allowed(get_args(annotation)[0])
    bare = _unwrapped(annotation)
    if isinstance(bare, type) and issubclass(bare, BaseModel):
        return object_of(bare)
    return _TYPES_IN_WORDS.get(get_origin(bare) or bare, "another value")


_TYPES_IN_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    tuple: "a list",
    dict: "an object",
}


def _unwrapped(annotation: Any) -> Any:
    """Return the type that is annotated or may be left out."""
    if get_origin(annotation) is Annotated:
        return _unwrapped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        [present] = [part for part in get_args(annotation) if part is not NoneType]
        return _unwrapped(present)
    return annotation


def _spell(path: Sequence[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def shown_unless_output(value: object) -> str:
    """Show a setting's value in a message; nothing of an Output, whose value is not known yet."""
    return "" if is_output(value) else _show(value)


def _show(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return f"(an object with {', '.join(map(str, value)) or 'nothing in it'})"
    if isinstance(value, list | tuple):
        return f"(a list of {len(value)})"
    return shown_value(repr(value))
