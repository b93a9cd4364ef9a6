"""Settings under their former names: moved to the present ones before anything is checked. Pure.

A setting that was renamed says so where it is described, by ``setting(renamed_from=...)``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from nix_cache.config.problems import Problem
from nix_cache.config.setting import former_name
from nix_cache.config.spelling import Spelling


@dataclass(frozen=True)
class FormerName:
    """A setting that was written under its former name. Both are in camelCase.

    Attributes:
        written: as it was written, such as ``descriptor`` or ``writers[0].oldName``.
        present: what to write instead.
    """

    written: str
    present: str

    def deprecation(self, prefix: str, spelling: Spelling) -> str:
        """Return the warning.

        Args:
            prefix: what the user writes before a setting, such as ``nix-cache:``.
            spelling: how the user spells settings.
        """
        old, new = (prefix + spelling.spell_key(key) for key in (self.written, self.present))
        return f"{old} is deprecated. Rename it to {new}."


@dataclass
class Renamed:
    """Settings under their present names.

    Attributes:
        raw: the settings.
        former: those that were written under a former name.
        problems: a problem for each that was written under both names.
    """

    raw: dict[str, Any]
    former: list[FormerName] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def renamed(raw: Mapping[str, Any], model: type[BaseModel], within: str = "") -> Renamed:
    """Move all values to the present names of their settings.

    None and empty text count as absent in a setting that was renamed: the program's project file
    has an empty default for it.

    Args:
        raw: the settings as written, under camelCase or snake_case keys.
        model: what they are the settings of.
        within: the setting whose value they are.
    """
    result = Renamed(dict(raw))
    prefix = f"{within}." if within else ""
    for python_name, described in model.model_fields.items():
        name = described.alias or python_name
        if former := former_name(described):
            _move(result, prefix, {to_camel(former), former}, {name, python_name}, name)
        if (inner := _model_within(described.annotation)) is not None:
            for key in {name, python_name} & result.raw.keys():
                value = result.raw[key]
                result.raw[key] = _renamed_within(value, inner, f"{prefix}{name}", result)
    return result


def _move(result: Renamed, prefix: str, old: set[str], new: set[str], name: str) -> None:
    raw = result.raw
    for key in (old | new) & raw.keys():
        if raw[key] is None or (isinstance(raw[key], str) and raw[key] == ""):
            del raw[key]
    for key in old & raw.keys():
        value = raw.pop(key)
        used = FormerName(f"{prefix}{to_camel(key)}", f"{prefix}{name}")
        if new & raw.keys():
            result.problems.append(
                Problem(
                    used.written,
                    "",
                    f"is the former name of {used.present}, which is set too",
                    f"remove {used.written}",
                )
            )
        else:
            raw[name] = value
            result.former.append(used)


def _renamed_within(value: Any, model: type[BaseModel], key: str, result: Renamed) -> Any:
    match value:
        case dict():
            inner = renamed(value, model, key)
            result.former += inner.former
            result.problems += inner.problems
            return inner.raw
        case list() | tuple():
            return [
                _renamed_within(item, model, f"{key}[{index}]", result)
                for index, item in enumerate(value)
            ]
    return value


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``tuple[Writer, ...]`` or ``Writer | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_within(part) for part in get_args(annotation))
    return next((model for model in found if model), None)


def as_written(problems: Iterable[Problem], former: Iterable[FormerName]) -> Iterator[Problem]:
    """Name the settings of problems as they were written."""
    written = {name.present: name.written for name in former}
    for problem in problems:
        for present, old in written.items():
            rest = problem.key.removeprefix(present)
            if rest != problem.key and (not rest or rest[0] in ".["):
                problem = replace(problem, key=old + rest)
        yield problem
