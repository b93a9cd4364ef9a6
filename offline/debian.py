"""Debian packages in a folder of the user's cache, and programs run from it. Nothing is installed.

For the tests alone: the real Nix and a browser come from Debian where the machine has none.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from offline import build_cache, golang
from offline.builds import Waiting
from tools.errors import BuildError
from tools.progress import BuildProgress, PlainProgress

SUITE = "sid"
"""Debian's other suites have a Nix that is too old for the S3 code of today."""

ENTER = Path(__file__).with_name("enter_tree.sh")
INDEX_FORMAT = "$(ORIGIN)|$(LABEL)|$(REPO_URI)"
ABOUT_SECONDS = 40
NEEDED_BYTES = 2 * 10**9
UNUSED_DAYS = 7

APT_OPTIONS = (
    # The mirrors of closed networks lag behind by weeks. Signatures are checked all the same.
    'Acquire::Check-Valid-Until "false"',
    'Acquire::Retries "3"',
)


def tree(
    name: str, packages: Sequence[str], cache: Path, progress: BuildProgress | None = None
) -> Path:
    """Return the folder of a Debian with some packages in it, made first if `cache` has none.

    Safe to call from several processes at once: one makes it, the others wait.

    Args:
        name: what it is for, as it shows in the folder's name.
        packages: names of Debian packages; what they depend on comes along.
        cache: the user's cache folder.
        progress: where the work is reported.

    Raises:
        BuildError: this machine cannot make one, or its mirror fails.
    """
    progress = progress or PlainProgress()
    path = cache / "trees" / f"{name}-{key(packages)}"
    with build_cache.problems_explained(cache):
        if not path.exists():
            if problem := why_impossible():
                raise problem
            with build_cache.locked(cache, Waiting(progress)):
                build_cache.remove_leftovers(cache)
                if not path.exists():
                    _make(path, packages, cache, progress)
                _remove_unused(path.parent, name, keeping=path)
        with suppress(OSError):  # a cache that is only readable still serves
            os.utime(path)
    return path


def key(packages: Sequence[str]) -> str:
    """Twelve hex digits that stand for all that a tree is made from, but for the mirror's date."""
    parts = [SUITE, os.uname().machine, *sorted(packages)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def command(
    tree: Path,
    argv: Sequence[str],
    binds: Sequence[Path] = (),
    mounts: Mapping[str, Path] | None = None,
) -> list[str]:
    """Return the command that runs a program of a tree, in the caller's environment and folder.

    The program sees the tree, /dev, /proc and what is named here, and shares the network. What it
    writes anywhere else is gone with it. Its process is the command's own, so signals reach it.

    Args:
        tree: the tree's folder.
        argv: the program, by name or by its path in the tree, and its arguments.
        binds: folders and files that the program sees at the same path as other programs.
        mounts: by absolute path inside, the folder or file that the program sees there.
    """
    seen = [(path.resolve(), str(path.absolute())) for path in binds]
    seen += [(path.resolve(), inside) for inside, path in (mounts or {}).items()]
    folders = [str(part) for pair in seen for part in pair]
    enter = ["unshare", "--mount", "--propagation", "private", "sh", str(ENTER)]
    return [*enter, str(tree), *folders, "--", *argv]


def why_impossible() -> BuildError | None:
    """Why this machine cannot make or enter a tree, or None if it can."""
    if os.geteuid() != 0:
        return BuildError(
            "only root can make a Debian tree and mount folders in it",
            "run the same as root, or in a container",
        )
    if missing := [name for name in ("apt-get", "dpkg", "unshare") if not shutil.which(name)]:
        return BuildError(
            f"a Debian tree is made with {', '.join(missing)}, which this machine does not have",
            "run the same on Debian, or in a container of it",
        )
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        return BuildError(
            f"this root may not mount anything: {tried.stderr.strip()}",
            "give the container the capability SYS_ADMIN",
        )
    return None


def mirror(listed: str) -> str:
    """Return the Debian mirror that this machine's apt uses.

    Args:
        listed: apt's index targets, in the form of ``INDEX_FORMAT``.

    Raises:
        BuildError: there is none among them.
    """
    for line in listed.splitlines():
        origin, label, url = line.split("|", 2)
        if origin == label == "Debian":
            return url
    raise BuildError(
        "apt knows no Debian mirror on this machine",
        "run `apt-get update` first; on another system than Debian, use a container of it",
    )


def mirror_settings(dumped: str) -> list[str]:
    """How apt reaches mirrors: proxies, certificates, time limits.

    Args:
        dumped: apt's whole configuration, as ``apt-config dump`` prints it.
    """
    return [
        line.removesuffix(";")
        for line in dumped.splitlines()
        if line.startswith(("Acquire::http::", "Acquire::https::")) and not line.endswith('"";')
    ]


def _make(path: Path, packages: Sequence[str], cache: Path, progress: BuildProgress) -> None:
    name = path.name.rpartition("-")[0]
    build_cache.check_space(cache, NEEDED_BYTES, f"a Debian tree for {name}")
    progress.step(
        f"making a Debian {SUITE} tree with {', '.join(packages)} (about {ABOUT_SECONDS} s)"
    )
    start = time.monotonic()
    log = cache / f"{path.name}.log"
    log.unlink(missing_ok=True)
    with golang.ended_by_signal(), build_cache.build_folder(cache) as folder:
        made = folder / "tree"
        doing = "starting"

        def heard(line: str | None) -> None:
            nonlocal doing
            if line and line.startswith("I: "):
                doing = line.removeprefix("I: ")
            progress.update(0, 0, f"{name}: {doing}, {time.monotonic() - start:.0f} s")

        dumped = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
        options = (*APT_OPTIONS, *mirror_settings(dumped.stdout))
        argv = [
            *("unshare", "--mount", _mmdebstrap(folder)),
            *("--mode=root", "--variant=apt", f"--include={','.join(packages)}"),
            *(f"--aptopt={option}" for option in options),
            *(SUITE, str(made), mirror(_apt("indextargets", "--format", INDEX_FORMAT))),
        ]
        environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "LC_ALL": "C.UTF-8"}
        if golang.run(argv, folder, environment, log, heard) != 0:
            raise BuildError(
                f"the Debian tree for {name} could not be made:\n{_last_lines(log)}",
                "see that this machine reaches its Debian mirror, then run the same again",
                log,
            )
        path.parent.mkdir(exist_ok=True)
        made.rename(path)
    log.unlink()
    progress.done(f"made the Debian tree for {name} in {time.monotonic() - start:.0f} s")


def _mmdebstrap(folder: Path) -> str:
    """Return a mmdebstrap: the machine's own, or its package unpacked in a folder."""
    if own := shutil.which("mmdebstrap"):
        return own
    _apt("download", "mmdebstrap", folder=folder)
    package = next(folder.glob("mmdebstrap_*.deb"))
    subprocess.run(["dpkg", "-x", package, folder / "mmdebstrap"], check=True)
    return str(folder / "mmdebstrap" / "usr" / "bin" / "mmdebstrap")


def _apt(*arguments: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        ["apt-get", "--quiet", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(
            f"apt-get {arguments[0]} failed: {done.stderr.strip()}",
            "run `apt-get update`, then the same again",
        )
    return done.stdout


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()[-8:]
    return "\n".join(f"    {line}" for line in lines)


def _remove_unused(trees: Path, name: str, *, keeping: Path) -> None:
    """Remove earlier trees for the same, unless an older clone seems to use them."""
    for folder in trees.glob(f"{name}-{'?' * 12}"):
        unused_seconds = time.time() - folder.stat().st_mtime
        if folder != keeping and unused_seconds > UNUSED_DAYS * 86400:
            shutil.rmtree(folder, ignore_errors=True)
