"""Where Nix and the S3 credentials of this machine are configured: for all, or for one user."""

import contextlib
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.errors import UsageError

CLIENT_FOLDER = "nix-cache"


@dataclass(frozen=True)
class Place:
    """One level of configuration.

    Attributes:
        system: whether it is that of the whole machine, which only root writes.
        nix_conf: the nix.conf that Nix reads there.
        credentials: the S3 credentials of the user that fetches there: the daemon's, root, or the
            user.
        state: what has to survive a restart but is no configuration.
    """

    system: bool
    nix_conf: Path
    credentials: Path
    state: Path

    @property
    def folder(self) -> Path:
        """The folder beside nix.conf for this client's own files."""
        return self.nix_conf.parent / CLIENT_FOLDER

    def conf(self, name: str) -> Path:
        """Return the file with the settings for one cache, which nix.conf includes."""
        return self.folder / f"{name}.conf"

    def record(self, name: str) -> Path:
        """Return what is known of one cache: its manifest, and who this machine is to it."""
        return self.folder / f"{name}.json"

    def signing_key(self, key_name: str) -> Path:
        """Return the file with a secret key."""
        return self.folder / f"{key_name}.sec"


def hook_name(cache: str) -> str:
    """Return the name of a cache's hook: its files are named like those of a cache."""
    return f"{cache}-post-build-hook"


def system_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return the whole machine's: ``/etc/nix/nix.conf`` and root's credentials."""
    return Place(
        system=True,
        nix_conf=Path(environment.get("NIX_CONF_DIR") or "/etc/nix") / "nix.conf",
        credentials=_home(0, environment) / ".aws" / "credentials",
        state=Path("/var/lib") / CLIENT_FOLDER,
    )


def user_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return the user's: the nix.conf that Nix reads last for them, and their credentials.

    ``AWS_SHARED_CREDENTIALS_FILE`` names the latter, as it does for Nix and the AWS tools.
    """
    home = _home(os.geteuid(), environment)
    state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    files = user_conf_files(environment)
    credentials = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    return Place(
        system=False,
        nix_conf=files[0] if files else _config_home(environment) / "nix.conf",
        credentials=expanded(credentials) if credentials else home / ".aws" / "credentials",
        state=state / CLIENT_FOLDER,
    )


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for what this client can make again, of the user who runs it."""
    folder = environment.get("XDG_CACHE_HOME")
    return Path(folder or _home(os.geteuid(), environment) / ".cache") / CLIENT_FOLDER


def user_conf_files(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the users' files that Nix reads, in the order of their weight: the first counts most.

    Those of ``NIX_USER_CONF_FILES``, even if it is empty, or else the user's own and those of
    ``XDG_CONFIG_DIRS``, such as ``/etc/xdg/nix/nix.conf``.
    """
    if (given := environment.get("NIX_USER_CONF_FILES")) is not None:
        return [Path(name) for name in given.split(":") if name]
    shared = environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    folders = [Path(name) / "nix" for name in shared if name]
    return [folder / "nix.conf" for folder in (_config_home(environment), *folders)]


def default_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return the whole machine's for root, else the user's."""
    return system_place(environment) if os.geteuid() == 0 else user_place(environment)


def expanded(path: str) -> Path:
    """Return a path as the AWS tools read it, with ``~`` and variables."""
    return Path(os.path.expandvars(path)).expanduser()


def _config_home(environment: Mapping[str, str]) -> Path:
    """Return the folder of the user's own nix.conf. Nix takes an empty variable for ``/``."""
    if (folder := environment.get("NIX_CONFIG_HOME")) is not None:
        return Path(folder or "/")
    if (folder := environment.get("XDG_CONFIG_HOME")) is not None:
        return Path(folder or "/") / "nix"
    return _home(os.geteuid(), environment) / ".config" / "nix"


def _home(uid: int, environment: Mapping[str, str]) -> Path:
    """Return a user's home. ``sudo`` may keep HOME, so it counts only if it is theirs."""
    home = Path(environment.get("HOME", ""))
    with contextlib.suppress(OSError):  # it is missing, or another user's
        if home.is_absolute() and home.is_dir() and home.stat().st_uid == uid:
            return home
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError:
        raise UsageError(
            f"the user with the number {uid} has no home", "set HOME to a folder of theirs"
        ) from None
