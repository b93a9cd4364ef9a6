"""A machine with Nix: a store, a home and its own configuration, and commands on PATH."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from offline.nix import RealNix
from tests.e2e.launchers import python_paths, write_launchers
from tests.e2e.signing_proxy import SigningProxy

TIMEOUT_SECONDS = 240
FOREIGN_VARIABLES = ("NIX_", "AWS_", "XDG_", "http_proxy", "https_proxy", "no_proxy", "all_proxy")

BASE_CONF = "substituters =\n"
"""No user's cache is asked but the test's own."""

NEEDED_CONF = """\
extra-experimental-features = nix-command flakes
sandbox = false
build-users-group =
"""
"""What builds need in a tree. It is not in nix.conf, so that tests may have any nix.conf."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    argv: Sequence[str]
    exit_code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        """What it printed on both streams."""
        return self.out + self.err


@dataclass
class Nix:
    """One machine with Nix, as a test sees it.

    Attributes:
        real: the Nix.
        session: the folder of the whole run of tests, which all of its machines see.
        folder: the machine's own, within that.
        signs: whether the Nix signs S3 requests itself; for one that does not, a proxy does.
        environment: what the machine's user has in the environment. ``nix`` and ``nix-cache`` are
            on its PATH.
    """

    real: RealNix
    session: Path
    folder: Path
    signs: bool
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        for path in (self.store_folder, self.home, self.bin, self.conf.parent, self.folder / "tmp"):
            path.mkdir(parents=True)
        self.home.chmod(0o700)
        self.configure()
        self.environment = self._environment()
        self._proxy = None if self.signs else SigningProxy(self.credentials)
        enter = self.real.command(
            [], self._nix_folder, self.store_folder, [self.session, *python_paths()]
        )
        write_launchers(self.bin, self.real.programs, enter, self._proxy)

    @property
    def store_folder(self) -> Path:
        """Where the store and its database are, seen from outside."""
        return self.folder / "nix"

    @property
    def store_dir(self) -> str:
        """The store's path as Nix knows it; the cache's setting ``storeDir`` has to be the same."""
        return f"{self._nix_folder}/store"

    @property
    def home(self) -> Path:
        """The home of its user, who is also the daemon's."""
        return self.folder / "home"

    @property
    def bin(self) -> Path:
        """The folder with ``nix`` and its like, to put on PATH."""
        return self.folder / "bin"

    @property
    def conf(self) -> Path:
        """The machine's nix.conf."""
        return self.folder / "etc" / "nix" / "nix.conf"

    @property
    def credentials(self) -> Path:
        """The credentials profiles of the daemon's user."""
        return self.home / ".aws" / "credentials"

    def configure(self, *texts: str) -> None:
        """Write nix.conf: the given texts, and no other cache."""
        self.conf.write_text("\n".join([BASE_CONF, *texts, ""]))

    def add_profile(self, name: str, credential: dict[str, str]) -> None:
        """Add a credentials profile, as the stack gives credentials out."""
        self.credentials.parent.mkdir(mode=0o700, exist_ok=True)
        with self.credentials.open("a") as file:
            self.credentials.chmod(0o600)
            file.write(
                f"[{name}]\naws_access_key_id = {credential['accessKeyId']}\n"
                f"aws_secret_access_key = {credential['secretAccessKey']}\n\n"
            )

    def write_key(self, secret_key: str) -> Path:
        """Keep a signing key in a file; returns its absolute path."""
        path = self.home / f"{secret_key.partition(':')[0]}.sec"
        path.touch(mode=0o600)
        path.write_text(secret_key)
        return path

    def run(self, *arguments: str, program: str = "nix", **options: Any) -> Done:
        """Run one of Nix's programs, whatever its outcome.

        Args:
            arguments: the program's.
            program: which one.
            options: as for ``subprocess.run``.
        """
        argv = [str(self.bin / program), *arguments]
        done = subprocess.run(
            argv,
            **{
                "env": self.environment,
                "cwd": self.home,
                "stdin": subprocess.DEVNULL,
                "capture_output": True,
                "text": True,
                "timeout": TIMEOUT_SECONDS,
                "check": False,
                **options,
            },
        )
        return Done([program, *arguments], done.returncode, done.stdout or "", done.stderr or "")

    def get(self, *arguments: str, program: str = "nix", **options: Any) -> str:
        """Run one of Nix's programs that has to succeed; gives back what it prints."""
        done = self.run(*arguments, program=program, **options)
        assert done.exit_code == 0, f"{shlex.join(done.argv)} failed:\n{done.output}"
        return done.out.strip()

    def realise(self, path: str, *options: str) -> Done:
        """Pull a store path as a build would, without ever building it."""
        return self.run(*("-r", path, "--option", "max-jobs", "0", *options), program="nix-store")

    def has(self, path: str) -> bool:
        """Return whether a store path is in its store, whole."""
        return self.run("--check-validity", path, program="nix-store").exit_code == 0

    def nar_hashes(self, paths: Sequence[str]) -> dict[str, str]:
        """By path, the hash of its bytes. Fails if the database has another one."""
        self.get("--verify-path", *paths, program="nix-store")
        reported = self.get("--query", "--hash", *paths, program="nix-store")
        return dict(zip(paths, reported.split(), strict=True))

    def settings(self) -> dict[str, Any]:
        """Return the effective value of every setting."""
        shown = json.loads(self.get("config", "show", "--json"))
        return {name: entry["value"] for name, entry in shown.items()}

    def collect_garbage(self) -> None:
        """Delete every path of the store: nothing in it is held."""
        self.get("--gc", program="nix-store")

    def forget_caches(self) -> None:
        """Forget what the Nix remembers about narinfos of binary caches."""
        shutil.rmtree(self.home / ".cache", ignore_errors=True)

    def close(self) -> None:
        """Stop what serves it, and drop its store."""
        if self._proxy:
            self._proxy.close()
        shutil.rmtree(self.store_folder, ignore_errors=True)

    @property
    def _nix_folder(self) -> Path:
        return self.real.nix_folder(self.session)

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().startswith(tuple(v.lower() for v in FOREIGN_VARIABLES))
        }
        return {
            **kept,
            **self.real.environment(self._nix_folder),
            "PATH": f"{self.bin}:{Path(sys.prefix) / 'bin'}:{kept.get('PATH', os.defpath)}",
            "HOME": str(self.home),
            "TMPDIR": str(self.folder / "tmp"),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_CACHE_HOME": str(self.home / ".cache"),
            "XDG_DATA_HOME": str(self.home / ".local" / "share"),
            "XDG_STATE_HOME": str(self.home / ".local" / "state"),
            "NIX_CONF_DIR": str(self.conf.parent),
            "NIX_USER_CONF_FILES": str(self.home / ".config" / "nix" / "nix.conf"),
            "NIX_CONFIG": NEEDED_CONF,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
