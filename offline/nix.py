"""Finds a real Nix for the tests: the one on PATH if it is new enough, else Debian's in a tree."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline import debian
from tools.errors import BuildError, ToolError
from tools.progress import BuildProgress

LEAST_VERSION = (2, 33)
"""From here on Nix has its own S3 code; before, it had that of the AWS SDK."""

PACKAGES = ("nix-bin", "ca-certificates")
PROGRAMS = ("nix", "nix-store", "nix-instantiate", "nix-build", "nix-hash")
MOUNT_OVER = Path(__file__).with_name("mount_over.sh")


class NoNixError(ToolError):
    """There is no Nix on this machine, and none can be had."""


@dataclass(frozen=True)
class RealNix:
    """A Nix whose store is wherever a test wants it.

    Attributes:
        version: its version.
        origin: where it comes from, in words.
        programs: the folder of its programs, as they see it themselves.
        tree: the Debian tree that it is in; None for the machine's own.
    """

    version: str
    origin: str
    programs: Path
    tree: Path | None = None

    def nix_folder(self, session: Path) -> Path:
        """Return the folder of the store and its database, as the Nix sees it.

        A Nix of the machine lies in ``/nix`` itself, so it gets another one.

        Args:
            session: a folder that a whole run of tests shares.
        """
        return Path("/nix") if self.tree else session / "nix"

    def command(
        self, argv: Sequence[str], nix_folder: Path, store: Path, binds: Sequence[Path]
    ) -> list[str]:
        """Return the command that runs one of Nix's programs on a separate store.

        Args:
            argv: the program and its arguments.
            nix_folder: what ``nix_folder`` gave.
            store: the folder that the program sees there.
            binds: further folders that the program has to see.
        """
        if self.tree:
            return debian.command(self.tree, argv, binds, {str(nix_folder): store})
        nix_folder.mkdir(exist_ok=True)
        # Only root may mount, except in a user namespace.
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        enter = ["unshare", *user, "--mount", "--propagation", "private", "sh", str(MOUNT_OVER)]
        return [*enter, str(store), str(nix_folder), "--", *argv]

    def environment(self, nix_folder: Path) -> dict[str, str]:
        """Variables by which it finds its store."""
        return {
            "NIX_REMOTE": "local",
            "NIX_STORE_DIR": str(nix_folder / "store"),
            "NIX_STATE_DIR": str(nix_folder / "var" / "nix"),
            "NIX_LOG_DIR": str(nix_folder / "var" / "log" / "nix"),
        }

    def cat(self) -> str:
        """Return a ``cat`` for builders, by the path under which they see it."""
        return "/usr/bin/cat" if self.tree else str(shutil.which("cat"))

    def samples(self) -> Path:
        """Return a folder of programs and libraries, like those that caches hold; about 200 MB."""
        return self.tree / "usr" if self.tree else Path(sys.base_prefix) / "lib"


def find(
    cache: Path, progress: BuildProgress | None = None, search: Mapping[str, str] = os.environ
) -> RealNix:
    """Return a Nix to test with.

    Args:
        cache: the user's cache folder, where a Debian tree goes.
        progress: where the work is reported.
        search: the environment whose PATH is looked at.

    Raises:
        NoNixError: this machine has none and cannot get one.
        BuildError: it could have one, but making it failed.
    """
    own, found = _on_path(search.get("PATH", os.defpath))
    if own is not None:
        return own
    if problem := debian.why_impossible():
        raise NoNixError(
            f"{found}, and Debian's cannot be used: {problem.problem}",
            f"install Nix {'.'.join(map(str, LEAST_VERSION))} or newer, or {problem.fix}",
        )
    tree = debian.tree("nix", PACKAGES, cache, progress)
    asked = subprocess.run(
        debian.command(tree, ["nix", "--version"]), capture_output=True, text=True, check=False
    )
    version = version_of(asked.stdout)
    if asked.returncode or version < LEAST_VERSION:
        raise BuildError(
            f"the Nix in {tree} does not run: {asked.stderr.strip() or asked.stdout.strip()}",
            "remove that folder, then run the same again",
        )
    origin = f"Debian {debian.SUITE}, in a tree of the user's cache"
    return RealNix(_text(version), origin, Path("/usr/bin"), tree)


def version_of(printed: str) -> tuple[int, ...]:
    """Return the version in what ``nix --version`` prints, or nothing if there is none."""
    match = re.match(r"nix \(.*\) (\d+(?:\.\d+)+)", printed)
    return tuple(map(int, match[1].split("."))) if match else ()


def _on_path(path: str) -> tuple[RealNix | None, str]:
    """Return the machine's own Nix if it is new enough, and what was found in words."""
    program = shutil.which("nix", path=path)
    if program is None:
        return None, "there is no nix on PATH"
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    version = version_of(asked.stdout)
    if version < LEAST_VERSION:
        return None, f"{program} is {asked.stdout.strip() or 'broken'}"
    return RealNix(_text(version), program, Path(program).parent), ""


def _text(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
