"""The settings that the installed Nix uses, in its own words, and the line over which it fails."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nix_cache.cli.nix import conf_sources, program
from nix_cache.cli.nix.conf_includes import ConfMistake, PlacedLine

_SHOW = (("config", "show"), ("show-config",))
"""The second is that of Nix before 2.20."""


@dataclass(frozen=True)
class Effective:
    """What Nix answers when it is asked for its settings.

    Attributes:
        settings: by name; None if it fails or there is no Nix.
        failure: its error message; empty if it does not fail.
    """

    settings: dict[str, Any] | None
    failure: str = ""


def shown(environment: Mapping[str, str] = os.environ) -> Effective:
    """Ask the installed Nix for all its settings."""
    failures = []
    for command in _SHOW:
        done = program.attempt([*program.NIX, *command, "--json"], environment)
        if done is None:
            return Effective(None)
        if done.returncode == 0:
            return Effective(parsed(done.stdout))
        failures.append(_message(done.stderr))
    # The first command that this Nix knows has the reason.
    known = [failure for failure in failures if "is not a recognised command" not in failure]
    return Effective(None, (known or failures)[0])


def parsed(text: str) -> dict[str, Any] | None:
    """Return the settings that ``nix config show --json`` printed, by name; None if it did not."""
    try:
        return {name: entry["value"] for name, entry in json.loads(text).items()}
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return None


def mistakes(environment: Mapping[str, str] = os.environ) -> list[ConfMistake]:
    """Return the lines over which Nix fails, as far as this client and the installed Nix see them.

    The installed Nix is asked only if nothing was found without it. It judges the values.
    """
    settings = conf_sources.all_settings(environment)
    if settings.mistakes:
        return list(settings.mistakes)
    failure = shown(environment).failure
    return [located(settings.lines, failure, environment)] if failure else []


def located(
    lines: Sequence[PlacedLine], failure: str, environment: Mapping[str, str] = os.environ
) -> ConfMistake:
    """Find the line over which the installed Nix fails, by giving it ever fewer lines.

    Args:
        lines: all settings in their order.
        failure: the message of Nix.
        environment: that of Nix.
    """
    with tempfile.TemporaryDirectory() as folder:
        nothing = {**environment, "NIX_CONF_DIR": folder, "NIX_USER_CONF_FILES": ""}

        def fails(count: int) -> bool:
            return bool(shown({**nothing, conf_sources.VARIABLE: _text(lines[:count])}).failure)

        good, bad = 0, len(lines)
        if not fails(bad) or fails(good):
            where = "the configuration of Nix"
            return ConfMistake(where, f"is refused by Nix: {failure}", "correct that setting")
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (good, middle) if fails(middle) else (middle, bad)
    placed = lines[bad - 1]
    return ConfMistake(
        placed.where,
        f"sets {placed.line.name} to a value over which every Nix command fails: {failure}",
        "correct that value, or remove the line",
    )


def _text(lines: Sequence[PlacedLine]) -> str:
    return "".join(f"{one.line.name} = {' '.join(one.line.value)}\n" for one in lines)


def _message(stderr: str) -> str:
    """Return the error of Nix in one line."""
    said = stderr.strip().splitlines() or ["it gave no reason"]
    errors = [line for line in said if line.startswith("error:")] or said[-1:]
    return errors[0].removeprefix("error:").strip()
