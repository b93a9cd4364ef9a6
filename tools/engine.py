"""Finds the engine and its parts: the official ones where they can be had, else what is built here.

In order: a `pulumi` with its language host on PATH; the official release, by Pulumi's own
installer; the CLI and the plugins built from Go modules, with the emulated language host.
"""

import contextlib
import filecmp
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from offline import builds
from offline.host.launchers import write_launchers
from offline.programs import TOOLS, built_path
from tools.bootstrap import ROOT, cache_folder
from tools.progress import BuildProgress, PlainProgress

LANGUAGE_HOST = "pulumi-language-python"
AWS_PLUGIN = "AWS plugin"
"""The name of the part that an engine may lack: it is built on demand alone."""
_INSTALLER_TIMEOUT_SECONDS = 20.0
_NO_INSTALLER = "no-installer"
"""The file in a clone's folder by which it knows that Pulumi's installer did not work here."""


class PartOrigin(StrEnum):
    """Where a part comes from."""

    OFFICIAL = "official"
    BUILT = "built from its Go module"
    PACKAGE = "installed from its Python package"
    EMULATOR = "emulator of this project"


@dataclass(frozen=True)
class Part:
    """One part of the toolchain, as it is shown on start."""

    name: str
    version: str
    origin: PartOrigin


@dataclass(frozen=True)
class Engine:
    """A toolchain that is ready to run.

    Attributes:
        bin_dirs: what has to come first on PATH.
        home: the folder for ``PULUMI_HOME``, where plugins are.
        minio: the MinIO server's program, which is there only if MinIO was asked for.
        parts: what it is made of.
    """

    bin_dirs: tuple[Path, ...]
    home: Path
    minio: Path
    parts: tuple[Part, ...]

    @property
    def pulumi(self) -> Path:
        """The CLI's program."""
        return self.bin_dirs[0] / "pulumi"

    @property
    def serves_aws(self) -> bool:
        """Whether stacks on AWS can run."""
        return any(part.name == AWS_PLUGIN for part in self.parts)

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with this engine first on PATH, without network requests.

        Args:
            base: the variables to start from.
        """
        path = os.pathsep.join([*map(str, self.bin_dirs), base.get("PATH", os.defpath)])
        return {
            **base,
            "PATH": path,
            "PULUMI_HOME": str(self.home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }


def provide(
    work: Path,
    progress: BuildProgress | None = None,
    *,
    aws: bool = False,
    minio: bool = True,
) -> Engine:
    """Get an engine, downloading or building what is not there yet.

    Args:
        work: the folder of this clone for what is made for it alone.
        progress: where long steps are reported.
        aws: whether the AWS plugin is built where it cannot be downloaded. One that is built
            already is always a part.
        minio: whether stacks on MinIO can run: its server, and its plugin.

    Raises:
        tools.errors.ToolError: a part can neither be downloaded nor built.
    """
    progress = progress or PlainProgress()
    cache = cache_folder()
    official = _on_path() or _installed(cache, work, progress)
    if official is not None:
        program, minio_part = _minio(cache, progress, provide=minio)
        parts = (
            Part("pulumi", _version(official / "pulumi"), PartOrigin.OFFICIAL),
            Part("language host", "python", PartOrigin.OFFICIAL),
            *([Part("MinIO plugin", "downloaded by the engine", PartOrigin.OFFICIAL)] * minio),
            Part(AWS_PLUGIN, "downloaded by the engine", PartOrigin.OFFICIAL),
            *([minio_part] * minio),
        )
        return Engine((official,), cache / "pulumi-home", program, parts)
    return _built(cache, work, progress, aws=aws, minio=minio)


def remember_choice(known: Path, work: Path) -> None:
    """Let a folder start from what is known in another about Pulumi's own installer."""
    if (known / _NO_INSTALLER).exists():
        (work / _NO_INSTALLER).touch()


def _on_path() -> Path | None:
    """Return the folder of a `pulumi` on PATH that has its own language host beside it."""
    for folder in map(Path, os.get_exec_path()):
        if (folder / "pulumi").is_file() and _is_official(folder / LANGUAGE_HOST):
            return folder
    return None


def _is_official(host: Path) -> bool:
    """Return whether a language host is there that is not an emulator, a shell script."""
    try:
        return host.read_bytes()[:2] != b"#!"
    except OSError:
        return False


def _installed(cache: Path, work: Path, progress: BuildProgress) -> Path | None:
    """Return the official release in the cache. Its installer is tried once per clone."""
    sdk_version = metadata.version("pulumi")  # the release that fits the SDK

    root = cache / f"pulumi-{sdk_version}"
    if _is_official(root / "bin" / LANGUAGE_HOST):
        return root / "bin"
    tried = work / _NO_INSTALLER
    if tried.exists():
        return None
    progress.step(f"asking Pulumi's own installer for version {sdk_version}")
    work.mkdir(parents=True, exist_ok=True)
    if _install(root):
        progress.done(f"installed pulumi {sdk_version}")
        return root / "bin"
    shutil.rmtree(root, ignore_errors=True)
    tried.touch()
    progress.done("its servers cannot be reached: building from Go modules instead")
    return None


def _install(root: Path) -> bool:
    from pulumi.automation import PulumiCommand

    try:
        with _socket_timeout(_INSTALLER_TIMEOUT_SECONDS):
            PulumiCommand.install(root=str(root))
    except Exception:  # whatever the installer meets means the same: it cannot be had so
        return False
    return _is_official(root / "bin" / LANGUAGE_HOST)


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _minio(cache: Path, progress: BuildProgress, *, provide: bool) -> tuple[Path, Part]:
    if found := shutil.which("minio"):
        return Path(found), Part("MinIO", found, PartOrigin.OFFICIAL)
    tool = TOOLS["minio"]
    path = built_path(tool, cache)
    if provide:
        path = builds.ensure([tool.name], cache, progress)[tool.name]
    return path, Part("MinIO", tool.version, PartOrigin.BUILT)


def _built(cache: Path, work: Path, progress: BuildProgress, *, aws: bool, minio: bool) -> Engine:
    plugins = {"MinIO plugin": "minio"} if minio else {}
    if aws or built_path(TOOLS["pulumi-resource-aws"], cache).exists():
        plugins[AWS_PLUGIN] = "aws"
    programs = {name: f"pulumi-resource-{plugin}" for name, plugin in plugins.items()}
    server = ["minio"] if minio else []
    paths = builds.ensure(["pulumi", *programs.values(), *server], cache, progress)
    bin_dir, home = work / "bin", work / "pulumi-home"
    # The engine takes a language host from beside itself without a warning, so it is put there.
    place(paths["pulumi"], bin_dir / "pulumi")
    for name, plugin in plugins.items():
        folder = home / "plugins" / f"resource-{plugin}-v{TOOLS[programs[name]].version}"
        place(paths[programs[name]], folder / programs[name])
    write_launchers(bin_dir, Path(sys.prefix) / "bin" / "python", ROOT)
    parts = (
        Part("pulumi", TOOLS["pulumi"].version, PartOrigin.BUILT),
        Part("language host", "python", PartOrigin.EMULATOR),
        *(
            Part(name, TOOLS[program].version, PartOrigin.BUILT)
            for name, program in programs.items()
        ),
        *([Part("MinIO", TOOLS["minio"].version, PartOrigin.BUILT)] * minio),
    )
    return Engine((bin_dir,), home, built_path(TOOLS["minio"], cache), parts)


def place(source: Path, target: Path) -> None:
    """Make a program appear in another folder, as the same file where that is possible."""
    if target.exists() and filecmp.cmp(source, target, shallow=True):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    temporary.replace(target)


def _version(pulumi: Path) -> str:
    answer = subprocess.run([pulumi, "version"], capture_output=True, text=True, timeout=30)
    return answer.stdout.strip().removeprefix("v")
