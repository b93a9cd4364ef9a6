"""A stack's configuration, checked as a whole: what it says of the cache, and of its provider.

Does without Pulumi, which takes half a second to import: `make` checks the configuration as well.
"""

import importlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from nix_cache.backends import BACKENDS
from nix_cache.problems import Problem, SettingsError
from nix_cache.validation import check

if TYPE_CHECKING:
    import pulumi

    from nix_cache.arguments import BinaryCacheArgs

PREFIX = "nix-cache:"

ProviderFactory = Callable[[], "pulumi.ProviderResource"]


def checked_arguments(
    configured: Mapping[str, str],
) -> "tuple[BinaryCacheArgs, ProviderFactory | None]":
    """Arguments without a mistake, and the explicit provider if the configuration describes one.

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
    backend = raw.get("backend", "minio")
    # The project's configuration has an empty object for each backend, as it has no optional ones.
    raw = {key: raw[key] for key in raw if key == backend or key not in BACKENDS or raw[key] != {}}
    problems: list[Problem] = []
    provider = None
    if isinstance(backend, str) and backend in BACKENDS and isinstance(raw.get(backend), dict):
        completion = importlib.import_module(f"nix_cache.storage.{backend}_config")
        try:
            raw[backend], provider = completion.complete(raw[backend], configured)
        except SettingsError as mistakes:
            problems += mistakes.problems
            del raw[backend]
    try:
        check(raw)
    except SettingsError as mistakes:
        problems += (p for p in mistakes.problems if not (problems and p.key == backend))
    if problems:
        raise SettingsError(problems, prefix=PREFIX)
    return cast("BinaryCacheArgs", raw), provider


def _decoded(value: str) -> Any:
    """Lists and objects from JSON; everything else stays text, and the check reads it."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
