"""Which Pulumi plugins a Python environment needs, read from what is installed in it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from offline.host.protocol import plugin_pb2
from tools.errors import ToolError

_PYTHON_VERSION = re.compile(
    r"(?P<release>\d+(\.\d+)*)"
    r"((?P<phase>a|b|rc)(?P<phase_number>\d*))?"
    r"(\.post(?P<post>\d*))?"
    r"(\.dev(?P<dev>\d*))?"
)
_PHASES = {"a": "alpha", "b": "beta", "rc": "rc"}
_WITHOUT_PLUGIN = {"pulumi-policy", "pulumi-esc-sdk"}


@dataclass(frozen=True)
class Package:
    """An installed distribution; `plugin` is its parsed pulumi-plugin.json, None without one."""

    name: str
    version: str
    plugin: Mapping[str, Any] | None


def plugin_version(python_version: str) -> str | None:
    """Turn a Python version (PEP 440) into the semantic one of the plugin that goes with it.

    None when it has none: an alpha build's Python version, for example, lacks the commit that
    its plugin's version ends with.
    """
    match = _PYTHON_VERSION.fullmatch(python_version)
    if match is None:
        return None
    segments = match["release"].split(".")
    version = ".".join(segments + ["0"] * (3 - len(segments)))
    if match["phase"]:
        version += f"-{_PHASES[match['phase']]}.{match['phase_number']}"
    build = [f"{name}{match[name]}" for name in ("post", "dev") if match[name] is not None]
    return version + ("+" + "".join(build) if build else "")


def required_plugins(packages: Iterable[Package]) -> list[plugin_pb2.PackageDependency]:
    """Resource plugins that the installed `packages` declare, in their order.

    Raises ToolError for a pulumi-plugin.json that cannot be used.
    """
    dependencies = (_dependency(package) for package in packages)
    return [dependency for dependency in dependencies if dependency is not None]


def _dependency(package: Package) -> plugin_pb2.PackageDependency | None:
    declared = package.plugin
    if package.name in _WITHOUT_PLUGIN or (
        declared is None and not package.name.startswith("pulumi-")
    ):
        return None
    if declared is not None and not declared.get("resource", False):
        return None
    fields = declared or {}
    version = fields.get("version") or plugin_version(package.version)
    if version is None:
        return None
    try:
        return plugin_pb2.PackageDependency(
            name=fields.get("name") or package.name.removeprefix("pulumi-"),
            kind="resource",
            version="v" + version.removeprefix("v"),
            server=fields.get("server") or "",
            parameterization=_parameterization(fields.get("parameterization")),
            extension=_parameterization(fields.get("extensionParameterization")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ToolError(
            f"pulumi-plugin.json of the Python package {package.name} {package.version} "
            f"cannot be used: {error}",
            f"install a sound release of {package.name}",
        ) from error


def _parameterization(
    fields: Mapping[str, str] | None,
) -> plugin_pb2.PackageParameterization | None:
    if not fields:
        return None
    # JSON carries the value, which is bytes, as base64.
    from base64 import b64decode

    return plugin_pb2.PackageParameterization(
        name=fields["name"], version=fields["version"], value=b64decode(fields["value"])
    )
