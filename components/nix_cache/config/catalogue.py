"""All settings as data, for what lists them: the schema, the Python types and the documents.

It is derived from the models in ``arguments.py`` and in the folders of the registered backends.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from nix_cache.arguments import CacheSettings
from nix_cache.backends.registry import BACKENDS
from nix_cache.config.setting import (
    accepts_outputs,
    choices,
    default_in_words,
    former_name,
    is_secret,
    must_be,
)

_SCALARS = {str: "string", int: "integer", bool: "boolean", Any: "string"}


@dataclass(frozen=True, kw_only=True)
class SettingKind:
    """The type of a setting.

    Attributes:
        name: ``string``, ``integer``, ``boolean``, ``array``, ``object``, or a group's name.
        items: the type of the items of an array, or of the values of an object.
        is_group: whether ``name`` is that of a group.
    """

    name: str
    items: "SettingKind | None" = None
    is_group: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The values of a setting that is a choice.

    Attributes:
        name: what enums are called after it, such as ``AwsNarStorageClass``.
        text: what it describes, in whole sentences.
        words: by value, the words of its name, such as ``standard ia``.
    """

    name: str
    text: str
    words: Mapping[str | int, str]

    @property
    def members(self) -> dict[str, str | int]:
        """By name in PascalCase, the values."""
        return {words.title().replace(" ", ""): value for value, words in self.words.items()}

    @property
    def python_members(self) -> dict[str, str | int]:
        """By name as in Python's enums, the values."""
        return {words.upper().replace(" ", "_"): value for value, words in self.words.items()}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: its name in camelCase.
        python_name: its name in Python programs.
        kind: its type.
        meaning: what it means, in whole sentences.
        must_be: which values are allowed, in words; empty if the type says it.
        choice: its values if it is a choice.
        default: its default; None if it has none.
        default_text: its default in words; empty if it is required.
        is_required: whether it has to be set.
        accepts_outputs: whether its value may be an Output.
        is_secret: whether its value is secret.
        was_renamed: whether it is accepted under a former name as well.
        renamed_to: of a former name, the present one.
    """

    name: str
    python_name: str
    kind: SettingKind
    meaning: str
    must_be: str
    default: Any
    default_text: str
    is_required: bool
    choice: "Choice | None" = None
    accepts_outputs: bool = False
    is_secret: bool = False
    was_renamed: bool = False
    renamed_to: str = ""

    @property
    def can_be_left_out(self) -> bool:
        """Whether its name need not be there: it has a default, or a former name may be there."""
        return not self.is_required or self.was_renamed

    @property
    def text(self) -> str:
        """Everything about it, in whole sentences."""
        if self.renamed_to:
            return f"Deprecated: use ``{self.renamed_to}``, which means the same."
        parts = [self.meaning]
        if self.is_required:
            parts.append("Required.")
        elif self.default_text:
            parts.append(f"Default: {self.default_text}.")
        if self.must_be:
            parts.append(f"Must be {self.must_be}.")
        return " ".join(parts)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Settings that are written together, as one object.

    Attributes:
        name: its name, such as ``Writer``.
        text: what it describes, in whole sentences.
        settings: the settings in it, also under former names.
    """

    name: str
    text: str
    settings: tuple[Setting, ...]

    @property
    def present(self) -> tuple[Setting, ...]:
        """The settings under their present names."""
        return tuple(setting for setting in self.settings if not setting.renamed_to)


def all_settings() -> tuple[Group, ...]:
    """Every group of settings, the whole cache's first."""
    models: list[type[BaseModel]] = []
    cache = Group(
        name="BinaryCache",
        text="A binary cache.",
        settings=(*_settings(CacheSettings, "", models), *_backends(models)),
    )
    groups = [cache]
    for model in models:  # grows while it is walked
        text = inspect.cleandoc(model.__doc__ or "")
        name = _group_name(model)
        settings = tuple(_settings(model, name, models))
        groups.append(Group(name=name, text=" ".join(text.split()), settings=settings))
    return tuple(groups)


def places_of(name: str, *, in_backends: bool) -> list[str]:
    """Return where a setting of a name is, such as ``aws.accessLogs`` or ``writers[0].name``.

    Args:
        name: the name in camelCase.
        in_backends: whether to look within backends and other groups; else beside them.
    """
    cache, *groups = all_settings()
    if not in_backends:
        return [one.name for one in cache.present if one.name == name]
    by_name = {group.name: group for group in groups}

    def within(kind: SettingKind, place: str) -> Iterator[str]:
        if kind.items is not None and kind.items.is_group:
            yield from within(kind.items, f"{place}[0]")
        for one in by_name[kind.name].present if kind.is_group else ():
            if one.name == name:
                yield f"{place}.{name}"
            yield from within(one.kind, f"{place}.{one.name}")

    return [place for one in cache.present for place in within(one.kind, one.name)]


def choices_of(groups: Iterable[Group]) -> list[Choice]:
    """Return the choices among settings, in their order."""
    return [setting.choice for group in groups for setting in group.settings if setting.choice]


def _settings(
    model: type[BaseModel], group: str, models: list[type[BaseModel]]
) -> Iterator[Setting]:
    for python_name, field in model.model_fields.items():
        described = Setting(
            name=field.alias or python_name,
            python_name=python_name,
            kind=_kind(field.annotation, models),
            meaning=field.description or "",
            must_be="" if field.annotation in (bool, bool | None) else must_be(field),
            choice=_choice(field, field.alias or python_name, group),
            default=None if field.is_required() else field.default,
            default_text=default_in_words(field),
            is_required=field.is_required(),
            accepts_outputs=accepts_outputs(field),
            is_secret=is_secret(field),
            was_renamed=bool(former_name(field)),
        )
        yield described
        if former := former_name(field):
            yield replace(
                described,
                name=to_camel(former),
                python_name=former,
                renamed_to=described.name,
            )


def _backends(models: list[type[BaseModel]]) -> Iterator[Setting]:
    for name, backend in BACKENDS.items():
        yield Setting(
            name=name,
            python_name=name,
            kind=_kind(backend.settings(), models),
            meaning=f"Settings of the backend ``{name}``.",
            must_be="",
            default=None,
            default_text="",
            is_required=False,
        )


def _choice(field: FieldInfo, name: str, group: str) -> Choice | None:
    values = choices(field)
    if not values:
        return None
    return Choice(
        name=group + name[0].upper() + name[1:],
        text=(field.description or "").partition(":")[0].rstrip(".") + ".",
        words={value: _words(value, name) for value in values},
    )


_WORD = re.compile(r"[A-Z]+\d*(?![a-z])|[A-Z]?[a-z]+\d*|\d+")


def _words(value: str | int, name: str) -> str:
    """Return a value in lower-case words and numbers; a number has its unit before it."""
    text = value if isinstance(value, str) else f"{_WORD.findall(name)[-1]} {value}"
    return " ".join(_WORD.findall(text)).lower()


def _kind(annotation: Any, models: list[type[BaseModel]]) -> SettingKind:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0], models)
    if origin in (Union, UnionType):
        [present] = [part for part in parts if part is not NoneType]
        return _kind(present, models)
    if origin is tuple:
        return SettingKind(name="array", items=_kind(parts[0], models))
    if origin is dict:
        return SettingKind(name="object", items=_kind(parts[1], models))
    if origin is Literal:
        return SettingKind(name=_SCALARS[type(parts[0])])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in models:
            models.append(annotation)
        return SettingKind(name=_group_name(annotation), is_group=True)
    return SettingKind(name=_SCALARS[annotation])


def _group_name(model: type[BaseModel]) -> str:
    return model.__name__.removesuffix("Settings")
