"""Inputs checked against the SDK's own types: what is required, what there is, of which type."""

import inspect
import types
import typing
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import pulumi
from pulumi import _types

from tests.fakes.spaces_plugin.wire import UNKNOWN

Failure = tuple[str, str]
"""A property, and what is wrong with it."""

_SCALARS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def failures(args: type, values: Mapping[str, Any]) -> list[Failure]:
    """All that is wrong with the inputs of a resource.

    Args:
        args: the SDK's class of its arguments, such as ``SpacesBucketArgs``.
        values: by the names that the engine uses.
    """
    return list(_of_object(values, args, ""))


def names(args: type) -> frozenset[str]:
    """Return the names that the engine uses for the arguments of a resource."""
    return frozenset(_types.input_type_py_to_pulumi_names(args).values())


def _of_object(values: Mapping[str, Any], args: type, path: str) -> Iterator[Failure]:
    known = _types.input_type_py_to_pulumi_names(args)
    hints = typing.get_type_hints(
        args.__init__,  # type: ignore[misc]
        localns={
            "Output": pulumi.Output,
            "T": pulumi.output.T,
        },  # as the SDK's types name it among themselves
    )
    parameters = inspect.signature(args.__init__).parameters  # type: ignore[misc]
    for name in values.keys() - known.values():
        yield _within(path, name), "is an unknown argument"
    for python_name, name in known.items():
        value = values.get(name)
        if value is not None:
            yield from _of_value(value, hints[python_name], _within(path, name))
        elif parameters[python_name].default is inspect.Parameter.empty:
            yield _within(path, name), "is required"


def _of_value(value: Any, hint: Any, path: str) -> Iterator[Failure]:
    if value is UNKNOWN:
        return
    attempts = [list(_of_one(value, option, path)) for option in _options(hint)]
    if all(attempts):
        yield from attempts[0]


def _of_one(value: Any, option: Any, path: str) -> Iterator[Failure]:
    origin = typing.get_origin(option)
    if origin in (Sequence, list):
        if not isinstance(value, list):
            yield path, "is not a list"
            return
        for index, item in enumerate(value):
            yield from _of_value(item, typing.get_args(option)[0], f"{path}[{index}]")
    elif origin in (Mapping, dict):
        if not isinstance(value, dict):
            yield path, "is not an object"
            return
        for key, item in value.items():
            yield from _of_value(item, typing.get_args(option)[1], _within(path, key))
    elif _types.is_input_type(option):
        if not isinstance(value, dict):
            yield path, "is not an object"
            return
        yield from _of_object(value, option, path)
    elif issubclass(option, Enum):
        if value not in [member.value for member in option]:
            yield path, f"is none of {', '.join(str(member.value) for member in option)}"
    elif not _is_scalar(value, option):
        yield path, f"is not {_SCALARS[option]}"


def _is_scalar(value: Any, option: type) -> bool:
    if option is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, option) and (option is bool or not isinstance(value, bool))


def _options(hint: Any) -> list[Any]:
    """Return the types that an input may have once it is known, without output and awaitable."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [option for part in typing.get_args(hint) for option in _options(part)]
        return list(dict.fromkeys(found))
    if hint is type(None) or typing.get_origin(hint) in (Awaitable, pulumi.Output):
        return []
    return [hint]


def _within(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
