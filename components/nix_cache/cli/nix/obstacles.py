"""What on this machine keeps a cache's settings from having effect."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix import (
    conf_file,
    conf_lists,
    conf_sources,
    effective,
    flake_settings,
    program,
)
from nix_cache.cli.nix.conf_includes import NixConfReader, PlacedLine
from nix_cache.cli.nix.conf_lists import PUBLIC_KEYS, SUBSTITUTERS, TRUSTED_SUBSTITUTERS
from nix_cache.cli.nix.conf_sources import Settings, all_settings
from nix_cache.redaction import redacted
from nix_cache.shown import shown_value

_SWITCHES = {
    "require-sigs": "lets unsigned paths in, from every cache",
    "substitute": "turns all caches off",
    "build-use-substitutes": "turns all caches off",
}
"""Settings whose value ``false`` is unsafe or defeats every cache."""

_NOT_ASKED = "Nix never asks the cache"
_REFUSED = "paths that are signed with these keys are refused"


@dataclass(frozen=True)
class CacheNeeds:
    """What a cache needs in the settings.

    Attributes:
        is_cache: whether a substituter is the cache, in any spelling.
        public_keys: its keys.
    """

    is_cache: Callable[[str], bool]
    public_keys: Sequence[str]


class ObstacleKind(Enum):
    """What kind of obstacle a line is."""

    MISTAKE = "Nix fails over it"
    LIST = "it replaces a list"
    CACHES_OFF = "it turns all caches off"
    UNSAFE = "it lets unsigned paths in"
    PROJECT = "it replaces a list in one project"
    MISPLACED = "it has a public key in a list of caches"


@dataclass(frozen=True)
class Obstacle:
    """A line that defeats settings of the cache.

    Attributes:
        where: the file and line.
        problem: what it does, as the rest of a sentence about that line.
        why: what follows.
        fix: what to do about it.
        kind: what kind of obstacle it is.
    """

    where: str
    problem: str
    why: str
    fix: str
    kind: ObstacleKind


def obstacles(
    wanted: CacheNeeds, environment: Mapping[str, str] = os.environ, folder: Path | None = None
) -> list[Obstacle]:
    """Return the lines that undo a cache's settings, are unsafe, or stop Nix.

    Args:
        wanted: what the cache needs.
        environment: that of Nix.
        folder: where a user works; the project's flake there may replace lists.
    """
    printed = program.output(["nix", "--version"], environment) or ""
    includes_first = conf_sources.reads_includes_first(printed)
    settings = all_settings(environment, includes_first=includes_first)
    found = [
        Obstacle(one.where, one.problem, "Nix cannot use nix.conf", one.fix, ObstacleKind.MISTAKE)
        for one in settings.mistakes
    ]
    found += discards(settings, wanted)
    found += _switched(settings.lines)
    found += _misplaced(settings.lines)
    if folder is not None:
        found += _in_project(wanted, folder)
    return list(dict.fromkeys(found))


def discards(settings: Settings, wanted: CacheNeeds) -> Iterator[Obstacle]:
    """Yield the lines that take the cache or its keys out of a list again."""
    for setting in (SUBSTITUTERS, PUBLIC_KEYS):
        needed = _needed(setting, wanted)
        history = conf_lists.history(settings.lines, setting)
        kept = [item.value for item in history.items if needed(item.value)]
        for item, line in history.discarded:
            if not needed(item.value) or (setting == SUBSTITUTERS and kept) or item.value in kept:
                continue
            name = line.line.name
            yield Obstacle(
                line.where,
                f"{name} replaces the list, so what {item.where} adds for the cache is not in it",
                _NOT_ASKED if setting == SUBSTITUTERS else _REFUSED,
                f"write extra-{setting} there instead, or add {redacted(item.value)} to that line",
                ObstacleKind.LIST,
            )


def require_sound(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse a configuration over which Nix fails, or which cannot be read to its end.

    Raises:
        ClientError: naming the first such line.
    """
    for mistake in effective.mistakes(environment):
        raise ClientError(f"{mistake.where} {mistake.problem}; nothing was changed", mistake.fix)


def replaced_after(path: Path, text: bytes, name: str) -> bool:
    """Return whether a line of a file, or of one that it includes, undoes a cache before it."""
    number = conf_file.include_line(text, name)
    if number is None:
        return False
    reader = NixConfReader()
    return any(
        _replaces(placed)
        for line in conf_file.parse(text)
        if line.number > number
        for placed in reader.included(path, line)
    )


def _replaces(placed: PlacedLine) -> bool:
    name, is_extra = conf_lists.named(placed)
    return name in {SUBSTITUTERS, PUBLIC_KEYS} and not is_extra


def _needed(setting: str, wanted: CacheNeeds) -> Callable[[str], bool]:
    return wanted.is_cache if setting == SUBSTITUTERS else set(wanted.public_keys).__contains__


def _switched(lines: Iterable[PlacedLine]) -> Iterator[Obstacle]:
    """Yield the switches that are off in the end."""
    last = {placed.line.name: placed for placed in lines if placed.line.name in _SWITCHES}
    for name, placed in last.items():
        is_unsafe = name == "require-sigs"
        if placed.line.value == ("false",):
            yield Obstacle(
                placed.where,
                f"{name} = false {_SWITCHES[name]}",
                "what was put into a cache unnoticed runs here" if is_unsafe else _NOT_ASKED,
                "take that line out",
                ObstacleKind.UNSAFE if is_unsafe else ObstacleKind.CACHES_OFF,
            )


def _misplaced(lines: Sequence[PlacedLine]) -> Iterator[Obstacle]:
    """Yield the public keys in lists of substituters."""
    for setting in (SUBSTITUTERS, TRUSTED_SUBSTITUTERS):
        for item in conf_lists.history(lines, setting).items:
            if conf_lists.is_key(item.value):
                name = item.value.partition(":")[0]
                yield Obstacle(
                    item.where,
                    f"{setting} has the public key {shown_value(name)}, but lists URLs",
                    "Nix takes the key for the URL of a cache, and does not trust it",
                    f"move the key to {PUBLIC_KEYS}",
                    ObstacleKind.MISPLACED,
                )


def _in_project(wanted: CacheNeeds, folder: Path) -> Iterator[Obstacle]:
    """Yield the lines of a project's flake that replace a list by one without the cache."""
    for setting in flake_settings.replaced_lists(folder):
        needed = _needed(setting.name, wanted)
        if not any(needed(value) for value in setting.values):
            yield Obstacle(
                setting.where,
                f"nixConfig.{setting.name} replaces the list in this project, for users who accept "
                "its settings, so the cache is not in it",
                _NOT_ASKED if setting.name == SUBSTITUTERS else _REFUSED,
                f"write extra-{setting.name} there instead",
                ObstacleKind.PROJECT,
            )
