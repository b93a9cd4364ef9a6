"""The package's schema, which is what other languages see of the component."""

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from pulumi.provider.experimental.analyzer import Analyzer
from pulumi.provider.experimental.schema import Property, remove_none

from nix_cache.binary_cache import FORMER_OUTPUTS, BinaryCache
from nix_cache.config.catalogue import Choice, Group, Setting, SettingKind, all_settings, choices_of
from nix_cache.own_resources import PACKAGE
from nix_cache.versions import semantic_version

COMPONENT = f"{PACKAGE}:index:BinaryCache"
"""The component's type token."""

_SECRET_OUTPUTS = ("credentials", "signingKeys")
_LANGUAGES = ("nodejs", "python", "csharp", "java", "go")


def package_schema() -> dict[str, Any]:
    """Return the schema, with the arguments of all registered backends."""
    cache, *groups = all_settings()
    outputs = _outputs()
    component = {
        "isComponent": True,
        "description": (BinaryCache.__doc__ or "").strip(),
        "type": "object",
        "inputProperties": _properties(cache.settings),
        "requiredInputs": _required(cache.settings),
        "properties": outputs,
        "required": sorted(outputs),
    }
    return {
        "meta": {"supportPack": True},  # whole packages, as `pulumi package add` makes them
        "name": PACKAGE,
        "version": semantic_version(metadata.version(PACKAGE)),
        "displayName": PACKAGE,
        "resources": {COMPONENT: component},
        "types": {
            **{_token(group.name): _type(group) for group in groups},
            **{_token(choice.name): _enum(choice) for choice in choices_of((cache, *groups))},
        },
        "language": {language: {"respectSchemaVersion": True} for language in _LANGUAGES},
        "dependencies": [],
    }


def _type(group: Group) -> dict[str, Any]:
    required = _required(group.settings)
    described = {
        "type": "object",
        "properties": _properties(group.settings),
        "required": required,
        "description": group.text,
    }
    return described if required else {k: v for k, v in described.items() if k != "required"}


def _enum(choice: Choice) -> dict[str, Any]:
    is_text = all(isinstance(value, str) for value in choice.words)
    return {
        "type": "string" if is_text else "integer",
        "description": choice.text,
        "enum": [{"name": name, "value": value} for name, value in choice.members.items()],
    }


def _properties(settings: Iterable[Setting]) -> dict[str, Any]:
    return {setting.name: _property(setting) for setting in settings}


def _property(setting: Setting) -> dict[str, Any]:
    plain = not setting.accepts_outputs
    kind = _kind(setting.kind, plain=plain)
    if setting.choice:
        # Programs may write the value itself, as a text or a number, or take it from the enum.
        named = {**kind, "$ref": f"#/types/{_token(setting.choice.name)}"}
        kind = {**kind, "oneOf": [kind, named]}
    described = {"description": setting.text, **kind}
    described |= _deprecation(setting.renamed_to)
    return {**described, "secret": True} if setting.is_secret else described


def _deprecation(present_name: str | None) -> dict[str, str]:
    return {"deprecationMessage": f"Use {present_name} instead."} if present_name else {}


def _kind(kind: SettingKind, *, plain: bool) -> dict[str, Any]:
    mark = {"plain": True} if plain else {}
    if kind.is_group:
        return {**mark, "$ref": f"#/types/{_token(kind.name)}"}
    if kind.items is None:
        return {"type": kind.name, **mark}
    within = "items" if kind.name == "array" else "additionalProperties"
    # Which items there are is known when the cache is planned; a value need not be.
    return {"type": kind.name, within: _kind(kind.items, plain=plain), "plain": True}


def _required(settings: Iterable[Setting]) -> list[str]:
    return sorted(setting.name for setting in settings if not setting.can_be_left_out)


def _outputs() -> dict[str, Any]:
    """Return the outputs, as the SDK's analyzer reads them from the component's annotations."""
    analyzed, _names = Analyzer(PACKAGE).analyze_type(BinaryCache, is_component_output=True)
    outputs = {}
    for name, definition in analyzed.items():
        described: dict[str, Any] = remove_none(Property.from_definition(definition).to_json())
        described["description"] = " ".join(described["description"].split())
        described |= _deprecation(FORMER_OUTPUTS.get(name))
        outputs[name] = {**described, "secret": True} if name in _SECRET_OUTPUTS else described
    return outputs


def _token(group: str) -> str:
    return f"{PACKAGE}:index:{group}"
