"""A stack's configuration, parsed and checked once: the cache's settings and its provider.

Imports no Pulumi, which takes half a second: `make` checks the configuration as well.
"""

import json
from collections.abc import Mapping
from typing import Any

from nix_cache.arguments import CacheSettings
from nix_cache.backends.registry import BACKENDS
from nix_cache.backends.spec import ProviderFactory
from nix_cache.config.check import check
from nix_cache.config.problems import Problem, SettingsError

PREFIX = "nix-cache:"


def checked_settings(
    configured: Mapping[str, str],
) -> tuple[CacheSettings, ProviderFactory | None]:
    """Return the cache that a configuration describes, and its explicit provider if it has one.

    Args:
        configured: values by full key, as the engine hands them over: lists and objects as JSON.

    Raises:
        SettingsError: with every mistake that there is.
    """
    raw = {
        key.removeprefix(PREFIX): _decoded(value)
        for key, value in configured.items()
        if key.startswith(PREFIX)
    }
    backend = raw.get("backend", CacheSettings.model_fields["backend"].default)
    # The engine has no optional settings: the project has an empty default for such as have none.
    raw = {key: value for key, value in raw.items() if key == backend or not _is_unset(key, value)}
    problems: list[Problem] = []
    provider = None
    if isinstance(backend, str) and backend in BACKENDS and isinstance(raw.get(backend), dict):
        completion = BACKENDS[backend].complete(raw[backend], configured)
        raw[backend], provider = completion.settings, completion.provider
        problems += completion.problems
    try:
        also = {name: backend.program_settings for name, backend in BACKENDS.items()}
        settings = check(raw, prefix=PREFIX, also=also)
    except SettingsError as mistakes:
        problems += mistakes.problems
    if problems:
        raise SettingsError(problems, prefix=PREFIX)
    return settings, provider


def _is_unset(key: str, value: object) -> bool:
    field = CacheSettings.model_fields.get(key)
    return (
        value == {}
        if key in BACKENDS
        else value == "" and field is not None and field.is_required()
    )


def _decoded(value: str) -> Any:
    """Read lists and objects from JSON; everything else stays text, which the check reads."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return _with_empty_groups(json.loads(value))
    except ValueError:
        return value


def _with_empty_groups(value: Any) -> Any:
    """Read ``{}`` below the top, which `pulumi config set --path` keeps as text."""
    if isinstance(value, dict):
        return {key: _with_empty_groups(part) for key, part in value.items()}
    return {} if value == "{}" else value
