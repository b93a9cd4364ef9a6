"""The shapes of AWS types: in the pulumi-aws package, and in a plugin's schema.

A shape is the name of a plain type, a list of one shape, or the shapes by property. The shape of a
map with keys of any name has the one key `*`.
"""

import enum
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pulumi import Archive, Asset
from pulumi import _types as declared

Shape = Any
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
_REFERENCES = {"pulumi.json#/Asset": "asset"}


class Package:
    """The types of the installed pulumi-aws package."""

    def __init__(self, token: str) -> None:
        module, _, self._name = token.removeprefix("aws:").rpartition(":")
        self._module = importlib.import_module(f"pulumi_aws.{module.partition('/')[0]}")
        self._resource = getattr(self._module, self._name)

    @property
    def _args(self) -> Any:
        # A property's type may have taken the usual name, as BucketVersioningArgs.
        usual = getattr(self._module, f"{self._name}Args")
        return getattr(self._module, f"{self._name}InitArgs", usual)

    def inputs(self) -> Shape:
        """Return what the resource is made from."""
        return _of_class(declared.input_type_types(self._args), ())

    def outputs(self) -> Shape:
        """Return the resource's outputs."""
        return _of_class(declared.resource_types(self._resource), ())

    def required(self) -> set[str]:
        """Return the inputs that have to be given."""
        names = declared.input_type_py_to_pulumi_names(self._args)
        parameters = inspect.signature(self._args.__init__).parameters.values()
        return {names[p.name] for p in parameters if p.default is p.empty and p.name in names}

    def secrets(self) -> set[str]:
        """Return the outputs that are always secret."""
        source = inspect.getsource(self._resource._internal_init)
        found = re.search(r"additional_secret_outputs=\[(.*?)\]", source)
        return set(re.findall(r'"(\w+)"', found[1])) if found else set()


def _of_class(types: Mapping[str, Any], within: tuple[Any, ...]) -> Shape:
    return {name: _of_type(kind, within) for name, kind in types.items()}


def _of_type(kind: Any, within: tuple[Any, ...]) -> Shape:
    kind = declared.unwrap_type(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Union:
        return _of_union(parts, within)
    if origin in (list, Sequence):
        return [_of_type(parts[0], within)]
    if origin in (dict, Mapping):
        return {"*": _of_type(parts[1], within)}
    if kind in within:
        return "itself"
    if declared.is_input_type(kind):
        return _of_class(declared.input_type_types(kind), (*within, kind))
    if declared.is_output_type(kind):
        return _of_class(declared.output_type_types(kind), (*within, kind))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "string"
    raise NotImplementedError(f"the shape of {kind}")


def _of_union(kinds: Sequence[Any], within: tuple[Any, ...]) -> Shape:
    """Return the plainest way to give a value: a text before an object that stands for it."""
    if str in kinds:
        return "string"
    if Asset in kinds or Archive in kinds:
        return "asset"
    return next(
        shape
        for shape in (_of_type(kind, within) for kind in kinds if kind is not type(None))
        if not (isinstance(shape, dict) and "*" in shape)
    )


def of_schema(
    schema: Mapping[str, Any], properties: Mapping[str, Any], within: tuple[str, ...] = ()
) -> Shape:
    """Return the shape of properties in a plugin's schema."""
    return {name: _of_property(schema, kind, within) for name, kind in properties.items()}


def _of_property(schema: Mapping[str, Any], kind: Mapping[str, Any], within: Any) -> Shape:
    if reference := kind.get("$ref", ""):
        token = reference.removeprefix("#/types/").replace("%2F", "/")
        if token in within:
            return "itself"
        if token not in schema["types"]:
            return _REFERENCES[token]
        return of_schema(schema, schema["types"][token].get("properties", {}), (*within, token))
    if kind["type"] == "array":
        return [_of_property(schema, kind["items"], within)]
    if kind["type"] == "object":
        items = kind.get("additionalProperties", {"type": "string"})
        return {"*": _of_property(schema, items, within)}
    return kind["type"]


def differences(where: str, plugin: Shape, package: Shape) -> Iterator[str]:
    """Where two shapes differ, as paths."""
    if isinstance(plugin, dict) and isinstance(package, dict):
        for name in sorted(plugin.keys() | package.keys()):
            path = f"{where}.{name}"
            if name not in package:
                yield f"{path} only in the plugin"
            elif name not in plugin:
                yield f"{path} only in the package"
            else:
                yield from differences(path, plugin[name], package[name])
    elif isinstance(plugin, list) and isinstance(package, list):
        yield from differences(f"{where}[]", plugin[0], package[0])
    elif plugin != package:
        yield f"{where} is {plugin} in the plugin and {package} in the package"
