"""What on this machine keeps a cache's settings from having effect."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine.places import Place, system_place, user_place
from nix_cache.cli.nix import conf_file, program
from nix_cache.cli.nix.conf_includes import NixConfReader, PlacedLine, mistakes_in

NIXOS_MARKER = Path("/etc/NIXOS")
DAEMON_SOCKET = Path("/nix/var/nix/daemon-socket/socket")
NIX_TIMEOUT_SECONDS = 20.0

_REPLACING = {
    "substituters": "substituters",
    "binary-caches": "substituters",
    "trusted-public-keys": "trusted-public-keys",
    "binary-cache-public-keys": "trusted-public-keys",
}
"""Settings that put a list in the place of the one so far, by all of their names."""


class Trust(StrEnum):
    """Whether the daemon takes settings from this user."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Obstacle:
    """A line that defeats settings of the cache.

    Attributes:
        where: the file and line, or the variable.
        problem: what it does.
        fix: what to do about it.
    """

    where: str
    problem: str
    fix: str


def generator(
    place: Place, store: Path, *, chosen: bool, marker: Path = NIXOS_MARKER
) -> str | None:
    """Who makes the place's nix.conf, so that a change of it would be lost; None if nothing does.

    Args:
        place: whose nix.conf.
        store: the Nix store, where generated files are.
        chosen: whether the user named the place. On NixOS no user's file is written by default.
        marker: the file by which NixOS is known.
    """
    if Path(os.path.realpath(place.nix_conf)).is_relative_to(store):
        return "NixOS" if place.system else "home-manager"
    return "NixOS" if marker.exists() and (place.system or not chosen) else None


def replaced_after(place: Place, text: bytes, name: str) -> bool:
    """Return whether a line of nix.conf or of an included file undoes a cache before it."""
    number = conf_file.include_line(text, name)
    if number is None:
        return False
    reader = NixConfReader()
    return any(
        placed.line.name in _REPLACING
        for line in conf_file.parse(text)
        if line.number > number
        for placed in reader.included(place.nix_conf, line)
    )


def require_finite(place: Place) -> None:
    """Refuse a nix.conf that is not read to its end, by Nix or here.

    Raises:
        ClientError: naming the first such line.
    """
    for mistake in mistakes_in(place.nix_conf):
        if mistake.endless:
            raise ClientError(f"{mistake.where} {mistake.problem}", mistake.fix)


def obstacles(place: Place, environment: Mapping[str, str] = os.environ) -> list[Obstacle]:
    """Return what else is read after the place's nix.conf and undoes it, and what is unsafe."""
    reader = NixConfReader()
    lines = list(reader.file(place.nix_conf))
    later = list(_later(place, environment, reader))
    found = [Obstacle(one.where, one.problem, one.fix) for one in reader.mistakes]
    found += [_replacement(placed) for placed in later if placed.line.name in _REPLACING]
    for placed in [*lines, *later]:
        found.extend(_switch(placed))
    return list(dict.fromkeys(found))


def trust(environment: Mapping[str, str] = os.environ) -> Trust:
    """Ask the daemon, through the installed Nix, whether it trusts this user."""
    command = [*program.NIX, "store", "info", "--json"]
    printed = program.output(command, environment, timeout_seconds=NIX_TIMEOUT_SECONDS)
    try:
        trusted = json.loads(printed or "")["trusted"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Trust.UNKNOWN
    return Trust.TRUSTED if trusted else Trust.UNTRUSTED


def restart_command(*, socket: Path = DAEMON_SOCKET) -> str | None:
    """How the daemon is made to read the machine's nix.conf, which it does only when it starts.

    Args:
        socket: the daemon's, by which it is known.

    Returns:
        the command; None if there is no daemon.
    """
    if not socket.exists():
        return None
    if Path("/run/systemd/system").exists():
        return "systemctl restart nix-daemon"
    if Path("/Library/LaunchDaemons/org.nixos.nix-daemon.plist").exists():
        return "launchctl kickstart -k system/org.nixos.nix-daemon"
    return "restart nix-daemon"


def restart_advice(place: Place) -> Iterator[str]:
    """Return how to make the daemon read a changed nix.conf; nothing where there is no daemon."""
    command = restart_command() if place.system else None
    if command is not None:
        yield f"The Nix daemon reads nix.conf when it starts. Restart it: {command}"


def _later(
    place: Place, environment: Mapping[str, str], reader: NixConfReader
) -> Iterator[PlacedLine]:
    """Yield what is read after the place: the user's file after the machine's, NIX_CONFIG."""
    if place.system:
        own = user_place(environment).nix_conf
        if own != system_place(environment).nix_conf:
            yield from reader.file(own)
    text = environment.get("NIX_CONFIG", "").encode(errors="surrogateescape")
    for line in conf_file.parse(text):
        yield PlacedLine("NIX_CONFIG", line)


def _replacement(placed: PlacedLine) -> Obstacle:
    setting = _REPLACING[placed.line.name]
    return Obstacle(
        placed.where,
        f"{placed.line.name} replaces the list and is read later, so the cache is not in it",
        f"write extra-{setting} there instead",
    )


def _switch(placed: PlacedLine) -> Iterator[Obstacle]:
    match placed.line.name, placed.line.value:
        case "require-sigs", ("false",):
            yield Obstacle(
                placed.where,
                "require-sigs = false lets unsigned paths in, from every cache",
                "take that line out",
            )
        case (("substitute" | "build-use-substitutes"), ("false",)):
            yield Obstacle(
                placed.where,
                f"{placed.line.name} = false turns all caches off",
                "take that line out",
            )
