"""How a setting is described: its meaning, what it must be, its default. Pure.

A setting is a field of a pydantic model, made by ``setting``. Checks, error messages, the schema
for other languages, the Python types, ``Pulumi.yaml`` and the reference all derive from it.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError, PydanticUndefined

from nix_cache.formats import signing

if TYPE_CHECKING:
    import pulumi

    from nix_cache.config.problems import Problem

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{1,30}[a-z0-9]$"
NAME_RULE = "3 to 32 lower-case letters, digits and inner hyphens"
HOST_NAME = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"

_NEVER_IN_A_URL = re.compile(r"""[^!-~]|[<>"'`{}|\\^]""")
"""The endpoint goes into nix.conf, Nix code and a page as it is written."""


def is_output(value: object) -> bool:
    """Return whether a value is an Output of Pulumi, or an awaitable, which Pulumi takes for one.

    A program that has an Output has imported Pulumi; this module does not.
    """
    pulumi = sys.modules.get("pulumi")
    return pulumi is not None and (isinstance(value, pulumi.Output) or inspect.isawaitable(value))


def _output_or_checked(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Leave an Output unchecked. An awaitable becomes one, as it can be awaited only once."""
    return sys.modules["pulumi"].Output.from_input(value) if is_output(value) else check(value)


class SettingsModel(BaseModel):
    """A group of settings: under camelCase or snake_case keys, and no others."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        # `pulumi config set --path` writes the digits of a text, such as an account, as a number.
        coerce_numbers_to_str=True,
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_outputs_pass(
        cls, value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo
    ) -> object:
        """Leave Outputs as they are where they are accepted: their values are checked later.

        The values of an object may be Outputs, but the object itself is not one.
        """
        field = cls.model_fields[str(info.field_name)]
        if _is_whole_number(field):
            value = _not_boolean(value)
        if _has_text(field.annotation):
            _require_no_fraction(value)
        is_container = get_origin(field.annotation) in (dict, tuple)
        if accepts_outputs(field) and not is_container:
            return _output_or_checked(value, check)
        return check(value)


BackendCheck = tuple[tuple[str, ...], Callable[[Any, Any], "Iterator[Problem]"]]
"""The settings of the cache that a check reads, and the check of a backend's settings and them."""


class BackendSettings(SettingsModel):
    """The settings of one backend, an object under the backend's name."""

    checks: ClassVar[tuple[BackendCheck, ...]] = ()
    """What contradicts other settings of the cache."""


def setting(
    meaning: str,
    *,
    must_be: str = "",
    default: Any = PydanticUndefined,
    default_text: str = "",
    accepts_outputs: bool = False,
    is_published: bool = False,
    is_secret: bool = False,
    renamed_from: str = "",
    **constraints: Any,
) -> Any:
    """Describe a setting. It is required unless it has a default.

    Args:
        meaning: what it means, in whole sentences. Other settings are named in camelCase.
        must_be: which values are allowed, to follow "must be" and "set it to".
        default: the value that it has if it is left out.
        default_text: the default in words, where the value does not say it.
        accepts_outputs: whether the value may be an Output of a resource.
        is_published: whether the manifest and the landing page in the bucket contain the value.
        is_secret: whether no message and no plan may show the value.
        renamed_from: its former name, in snake_case. It stays accepted, with a warning.
        **constraints: what pydantic's ``Field`` takes: ``pattern``, ``ge``, ``max_length``, …
    """
    facts: dict[str, str | bool] = {
        "must_be": must_be,
        "default_text": default_text,
        "accepts_outputs": accepts_outputs,
        "is_published": is_published,
        "is_secret": is_secret,
        "renamed_from": renamed_from,
    }
    extra: JsonDict = {key: value for key, value in facts.items() if value}
    return Field(default, description=meaning, json_schema_extra=extra, **constraints)


def must_be(field: FieldInfo) -> str:
    """Which values a setting allows, in words."""
    if text := str(_fact(field, "must_be")):
        return text
    if values := choices(field):
        return f"one of {', '.join(f'``{value}``' for value in values)}"
    return "true or false" if _is_boolean(field) else ""


def choices(field: FieldInfo) -> tuple[str | int, ...]:
    """Return the values that a setting can have if it is a choice; else none.

    An empty text stands for a choice that is not made.
    """
    for extra in field.metadata:
        if isinstance(extra, Choices):
            return tuple(extra.values)
    literal = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return tuple(value for value in literal if value != "")


def default_in_words(field: FieldInfo) -> str:
    """Return a setting's default as users write it; empty if the setting is required."""
    if text := _fact(field, "default_text"):
        return str(text)
    match field.default:
        case bool(value):
            return f"``{str(value).lower()}``"
        case str(text) | int(text):
            return f"``{text}``" if text != "" else "none"
        case value if value is PydanticUndefined:
            return ""
        case _:
            return "none"


def accepts_outputs(field: FieldInfo) -> bool:
    """Return whether a setting's value may be an Output of a resource."""
    return bool(_fact(field, "accepts_outputs"))


def is_published(field: FieldInfo) -> bool:
    """Return whether the manifest and the landing page in the bucket contain a setting's value."""
    return bool(_fact(field, "is_published"))


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting's value is secret."""
    return bool(_fact(field, "is_secret"))


def former_name(field: FieldInfo) -> str:
    """Return a renamed setting's earlier name in snake_case; empty if it has none."""
    return str(_fact(field, "renamed_from"))


@dataclass(frozen=True)
class Choices:
    """Marks the type of a choice whose values are not fixed in this package.

    Attributes:
        values: the values; they are listed when they are asked for.
    """

    values: Iterable[str]


def _fact(field: FieldInfo, name: str) -> object:
    extra = field.json_schema_extra
    return extra.get(name, "") if isinstance(extra, dict) else ""


def _is_whole_number(field: FieldInfo) -> bool:
    return field.annotation in (int, int | None)


def _not_boolean(value: object) -> object:
    """Refuse true and false where a number is expected: they would count as 1 and 0."""
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _has_text(annotation: object) -> bool:
    """Return whether values of a type are text, or have text in them."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        parts = parts[:1]
    return annotation is str or any(map(_has_text, parts))


def _require_no_fraction(value: object) -> None:
    """Refuse a number with a fraction where text is expected.

    A YAML file that has the branch 1.10 without quotes means another one, 1.1.
    """
    if isinstance(value, float):
        raise PydanticKnownError("string_type")
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            _require_no_fraction(part)


def _is_boolean(field: FieldInfo) -> bool:
    return field.annotation in (bool, bool | None)


def _endpoint(url: str) -> str:
    if _NEVER_IN_A_URL.search(url):
        raise ValueError("has characters that no URL has")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a full URL")
    # A percent sign can hide an `@`. No host name has one.
    if "@" in parts.netloc or "%" in parts.netloc:
        raise ValueError("has credentials in it, or a percent sign in its host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has more than a scheme, a host and a port")
    return normal_endpoint(url)


def normal_endpoint(url: str) -> str:
    """Return a checked endpoint as URLs are made of it: without a slash at its end."""
    return url.rstrip("/")


def _public_key(text: str) -> str:
    signing.parse_public_key(text)
    return text.strip()


def absent_if_empty(value: object) -> object:
    """Return the engine's default: optional settings have an empty one there."""
    return None if value == "" else value


def item(must_be: str, **constraints: Any) -> Any:
    """Describe the items of a list: which values are allowed, and what pydantic's Field takes."""
    return Field(json_schema_extra={"must_be": must_be}, **constraints)


Name = Annotated[str, item(NAME_RULE, pattern=NAME_PATTERN)]
"""Of a writer or a reader."""

GENERATION_RULE = "a whole number from 1 to 9999"

Generation = Annotated[int, item(GENERATION_RULE, ge=1, le=9999), BeforeValidator(_not_boolean)]
"""Of a writer's key."""

if TYPE_CHECKING:
    Reference = pulumi.Input[str]
    Endpoint = pulumi.Input[str]
    OutputOrText = pulumi.Input[str]
else:
    Reference = str
    """A field that names another resource: with ``accepts_outputs``, text or an Output."""
    Endpoint = Annotated[str, AfterValidator(_endpoint)]
    """A URL of scheme, host and port: with ``accepts_outputs``, text or an Output."""
    OutputOrText = Annotated[str, WrapValidator(_output_or_checked)]
    """Text or an Output, within a list or an object."""

PublicKey = Annotated[str, item("a public key, ``NAME:BASE64``"), AfterValidator(_public_key)]
"""A key as it stands in ``trusted-public-keys``."""

LikePublic = Annotated[bool | None, BeforeValidator(absent_if_empty)]
"""Whether a cache has something that, by default, public caches have and private ones do not."""
