"""What on this machine keeps a cache's settings from having effect."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nix_cache.client import nix_conf_file, nix_program
from nix_cache.client.places import Place, system_place, user_place

NIXOS_MARKER = Path("/etc/NIXOS")
DAEMON_SOCKET = Path("/nix/var/nix/daemon-socket/socket")
NIX_TIMEOUT_SECONDS = 20.0
_DEEPEST_INCLUDE = 20

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


@dataclass(frozen=True)
class _Said:
    where: str
    line: nix_conf_file.Line


def generator(
    place: Place, store: Path, *, chosen: bool, marker: Path = NIXOS_MARKER
) -> str | None:
    """Who makes the place's nix.conf, so that a change of it would be lost; None if nobody does.

    Args:
        place: whose nix.conf.
        store: the Nix store, where generated files are.
        chosen: whether the user named the place. On NixOS nobody's own file is written unasked.
        marker: the file by which NixOS is known.
    """
    if Path(os.path.realpath(place.nix_conf)).is_relative_to(store):
        return "NixOS" if place.system else "home-manager"
    return "NixOS" if marker.exists() and (place.system or not chosen) else None


def replaced_after(place: Place, text: bytes, name: str) -> bool:
    """Whether a line of nix.conf, or of a file that it includes, undoes a cache before it."""
    number = nix_conf_file.include_line(text, name)
    if number is None:
        return False
    return any(
        said.line.name in _REPLACING
        for line in nix_conf_file.parse(text)
        if line.number > number
        for said in _followed(str(place.nix_conf), place.nix_conf.parent, line)
    )


def obstacles(place: Place, environment: Mapping[str, str] = os.environ) -> list[Obstacle]:
    """What else is read after the place's nix.conf and undoes it, and what is unsafe."""
    lines = list(_read(place.nix_conf))
    later = list(_later(place, environment))
    found = [_replacement(said) for said in later if said.line.name in _REPLACING]
    for said in [*lines, *later]:
        found.extend(_switch(said))
    return list(dict.fromkeys(found))


def trust(environment: Mapping[str, str] = os.environ) -> Trust:
    """Ask the daemon, through the installed Nix, whether it trusts this user."""
    command = [*nix_program.NIX, "store", "info", "--json"]
    told = nix_program.output(command, environment, timeout_seconds=NIX_TIMEOUT_SECONDS)
    try:
        trusted = json.loads(told or "")["trusted"]
    except (ValueError, KeyError, TypeError):
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


def _later(place: Place, environment: Mapping[str, str]) -> Iterator[_Said]:
    """What is read after the place: the user's own file after the machine's, then NIX_CONFIG."""
    if place.system:
        own = user_place(environment).nix_conf
        if own != system_place(environment).nix_conf:
            yield from _read(own)
    for line in nix_conf_file.parse(environment.get("NIX_CONFIG", "").encode()):
        yield _Said("NIX_CONFIG", line)


def _read(path: Path) -> Iterator[_Said]:
    """The settings of a file and of all that it includes. What cannot be read says nothing."""
    yield from _included(path, 0)


def _included(path: Path, depth: int) -> Iterator[_Said]:
    if depth > _DEEPEST_INCLUDE:
        return
    try:
        text = path.read_bytes()
    except OSError:
        return
    for line in nix_conf_file.parse(text):
        yield from _followed(f"{path}:{line.number}", path.parent, line, depth)


def _followed(
    where: str, folder: Path, line: nix_conf_file.Line, depth: int = 0
) -> Iterator[_Said]:
    """A line, or if it includes a file, the lines of that."""
    if line.name == "include":
        yield from _included(folder / line.value[0], depth + 1)
    else:
        yield _Said(where, line)


def _replacement(said: _Said) -> Obstacle:
    setting = _REPLACING[said.line.name]
    return Obstacle(
        said.where,
        f"{said.line.name} replaces the list and is read later, so the cache is not in it",
        f"write extra-{setting} there instead",
    )


def _switch(said: _Said) -> Iterator[Obstacle]:
    match said.line.name, said.line.value:
        case "require-sigs", ("false",):
            yield Obstacle(
                said.where,
                "require-sigs = false lets unsigned paths in, from every cache",
                "take that line out",
            )
        case (("substitute" | "build-use-substitutes"), ("false",)):
            yield Obstacle(
                said.where,
                f"{said.line.name} = false turns all caches off",
                "take that line out",
            )
