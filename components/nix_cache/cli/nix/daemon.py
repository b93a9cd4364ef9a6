"""The Nix daemon of this machine: whether there is one, how it is restarted, whom it trusts."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nix_cache.cli.machine.places import Place
from nix_cache.cli.nix import program

DAEMON_SOCKET = Path("/nix/var/nix/daemon-socket/socket")
ROOT = Path("/")
NIX_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class ServiceManager:
    """A program that runs the daemon.

    Attributes:
        marks: files and folders by which it is known, below the root folder. One is enough.
        restart: the command that restarts the daemon, as root.
        is_daemon: whether the marks show that there is a daemon too.
        source: where the marks and the command are from.
    """

    marks: tuple[str, ...]
    restart: str
    source: str
    is_daemon: bool = False


SERVICE_MANAGERS = (
    ServiceManager(
        ("Library/LaunchDaemons/systems.determinate.nix-daemon.plist",),
        "launchctl kickstart -k system/systems.determinate.nix-daemon",
        "Determinate's installer for macOS; its unit on Linux has the ordinary name",
        is_daemon=True,
    ),
    ServiceManager(
        ("Library/LaunchDaemons/org.nixos.nix-daemon.plist",),
        "launchctl kickstart -k system/org.nixos.nix-daemon",
        "the installers of Nix and of Lix for macOS, and nix-darwin",
        is_daemon=True,
    ),
    ServiceManager(
        ("run/systemd/system",),
        "systemctl restart nix-daemon",
        "sd_booted(3): this folder exists where systemd runs",
    ),
    ServiceManager(
        ("run/openrc",),
        "rc-service nix-daemon restart",
        "OpenRC's states; Alpine, Gentoo",
    ),
    ServiceManager(
        ("etc/dinit.d/nix-daemon", "usr/lib/dinit.d/nix-daemon"),
        "dinitctl restart nix-daemon",
        "dinit-service(5); Chimera Linux",
    ),
    ServiceManager(
        ("var/service/nix-daemon", "etc/service/nix-daemon", "run/runit/service/nix-daemon"),
        "sv restart nix-daemon",
        "runsvdir(8); Void Linux",
    ),
    ServiceManager(
        ("run/current-system/profile/bin/herd",),
        "herd restart nix-daemon",
        "nix-service-type of Guix",
    ),
    ServiceManager(
        ("etc/init.d/nix-daemon",), "service nix-daemon restart", "service(8); System V scripts"
    ),
)
"""In the order in which they are looked for: an init script alone counts least."""


class Trust(StrEnum):
    """Whether the daemon takes settings from this user."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"
    UNKNOWN = "unknown"


def exists(root: Path = ROOT) -> bool:
    """Return whether this machine has a daemon: a socket, or a service that makes one."""
    return _below(root, DAEMON_SOCKET).exists() or any(
        manager.is_daemon and _is_there(manager, root) for manager in SERVICE_MANAGERS
    )


def restart_command(root: Path = ROOT) -> str | None:
    """Return how the daemon is made to read the machine's nix.conf, as it does when it starts.

    Args:
        root: the folder below which the machine's files are looked for.

    Returns:
        the command; None if there is no daemon, or none of the known programs runs it.
    """
    if not exists(root):
        return None
    for manager in SERVICE_MANAGERS:
        if _is_there(manager, root):
            return manager.restart if os.geteuid() == 0 else f"sudo {manager.restart}"
    return None


def restart_advice(place: Place, root: Path = ROOT) -> Iterator[str]:
    """Yield how to make the daemon read a changed nix.conf; nothing where there is no daemon."""
    if place.system and exists(root):
        yield f"The Nix daemon reads nix.conf when it starts. {restart_order(root)}"


def restart_order(root: Path = ROOT) -> str:
    """Return the sentence that orders a restart of the daemon."""
    if command := restart_command(root):
        return f"Restart it: {command}"
    if not exists(root):
        return "There is no daemon to restart."
    return "Stop the process nix-daemon and start it again in the way in which it was started."


def trust(environment: Mapping[str, str] = os.environ) -> Trust:
    """Ask the daemon, through the installed Nix, whether it trusts this user."""
    command = [*program.NIX, "store", "info", "--json"]
    printed = program.output(command, environment, timeout_seconds=NIX_TIMEOUT_SECONDS)
    try:
        trusted = json.loads(printed or "")["trusted"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Trust.UNKNOWN
    return Trust.TRUSTED if trusted else Trust.UNTRUSTED


def _is_there(manager: ServiceManager, root: Path) -> bool:
    return any((root / mark).exists() for mark in manager.marks)


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")
