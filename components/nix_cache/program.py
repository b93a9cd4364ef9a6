"""The program's part: a stack's configuration becomes the component's arguments and options."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pulumi
from pulumi.runtime import get_config_env

from nix_cache.binary_cache import BinaryCacheArgs
from nix_cache.problems import Problem, SettingsError
from nix_cache.settings import check
from nix_cache.storage.minio_config import complete, provider_of
from nix_cache.storage.minio_connection import Connection

PREFIX = "nix-cache:"


def read_config() -> tuple[BinaryCacheArgs, pulumi.ResourceOptions]:
    """The arguments and the options that the stack's configuration describes.

    Raises:
        pulumi.RunError: the configuration is wrong. It names every mistake.
    """
    try:
        args, connection = checked_arguments(get_config_env())
    except SettingsError as mistakes:
        raise pulumi.RunError(str(mistakes)) from None
    if connection is None:
        return args, pulumi.ResourceOptions()
    return args, pulumi.ResourceOptions(providers=[provider_of(connection)])


def checked_arguments(
    configured: Mapping[str, str],
) -> tuple[BinaryCacheArgs, Connection | None]:
    """Arguments without a mistake, and the connection file if the configuration names one.

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
    problems: list[Problem] = []
    connection = None
    if raw.get("backend", "minio") == "minio" and isinstance(raw.get("minio"), dict):
        try:
            raw["minio"], connection = complete(raw["minio"], configured)
        except SettingsError as mistakes:
            problems += mistakes.problems
            del raw["minio"]
    try:
        check(raw)
    except SettingsError as mistakes:
        problems += (p for p in mistakes.problems if not (problems and p.key == "minio"))
    if problems:
        raise SettingsError(problems, prefix=PREFIX)
    return cast("BinaryCacheArgs", raw), connection


def _decoded(value: str) -> Any:
    """Lists and objects from JSON; everything else stays text, and the check reads it."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
