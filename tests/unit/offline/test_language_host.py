"""The emulated language host without an engine: options, environments, answers, launchers."""

import ast
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, language_pb2, language_pb2_grpc

import offline.host.__main__ as host_main
from offline.host import EMULATOR, SDK_VERSION, inspect_environment, programs, run_child
from offline.host.children import Child, Children, describe_exit, stop_children
from offline.host.interpreter import Interpreter, find_interpreter
from offline.host.launchers import write_launchers
from offline.host.options import read_options
from offline.host.packages import Package, plugin_version, required_plugins
from offline.host.plugins import plugin_environment, policy_environment
from offline.host.policy_proxy import PolicyProxy
from offline.host.service import UNSUPPORTED, LanguageHost
from tests.waiting import is_running, wait_until
from tools.errors import ToolError

pytestmark = pytest.mark.offline

ROOT = Path(__file__).resolve().parents[3]
WAIT_SECONDS = 10


@pytest.fixture
def virtualenv(tmp_path: Path) -> Path:
    """Provide a folder that counts as a virtual environment, whose Python is this one."""
    folder = tmp_path / "env"
    (folder / "bin").mkdir(parents=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.fixture
def stub() -> Iterator[language_pb2_grpc.LanguageRuntimeStub]:
    """Provide a connection to a host that serves on a free port."""
    host = LanguageHost("127.0.0.1:1")
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield language_pb2_grpc.LanguageRuntimeStub(channel)
    host.stop()
    server.stop(None).wait()


def program_info(folder: Path, **options: object) -> language_pb2.ProgramInfo:
    """Return what the engine says of a project in `folder` with these runtime options."""
    return language_pb2.ProgramInfo(
        root_directory=str(folder),
        program_directory=str(folder),
        entry_point=".",
        options=ParseDict(options, Struct()),
    )


@pytest.mark.parametrize(
    ("options", "plugin", "virtualenv"),
    [
        ({}, False, None),
        ({"toolchain": "pip"}, False, None),
        ({"toolchain": "pip", "virtualenv": ""}, False, None),
        ({"toolchain": "pip", "virtualenv": ".venv"}, False, ".venv"),
        ({"toolchain": "pip", "virtualenv": "/elsewhere/venv"}, False, "/elsewhere/venv"),
        ({}, True, "venv"),
        ({"virtualenv": "../.venv"}, True, "../.venv"),
    ],
)
def test_runtime_options_give_the_virtual_environment(
    tmp_path: Path, options: dict[str, object], plugin: bool, virtualenv: str | None
) -> None:
    """Relative to the project file; plugins have a default, programs have Python from PATH."""
    expected = None if virtualenv is None else tmp_path / virtualenv
    assert read_options(options, tmp_path, tmp_path, plugin=plugin).virtualenv == expected


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"virtualenvv": "x"}, ["'virtualenvv'", "virtualenv, toolchain, typechecker"]),
        ({"virtualenv": 3}, ["'virtualenv'", "3"]),
        ({"toolchain": "uv"}, ["'toolchain'", "'uv'", "toolchain: pip"]),
        ({"toolchain": "poetry"}, ["'toolchain'", "'poetry'", "toolchain: pip"]),
        ({"toolchain": None}, ["'toolchain'", "None"]),
        ({"typechecker": "mypy"}, ["'typechecker'", "'mypy'", "remove it"]),
        ({"a": 1, "virtualenv": 3, "toolchain": "uv"}, ["'a'", "'virtualenv'", "'toolchain'"]),
    ],
)
def test_a_runtime_option_that_cannot_be_honoured_is_refused_by_name(
    tmp_path: Path, options: dict[str, object], named: list[str]
) -> None:
    """All mistakes at once, with the value, the fix, and who says so."""
    with pytest.raises(ToolError) as refusal:
        read_options(options, tmp_path, tmp_path, plugin=False)
    for words in [*named, EMULATOR, str(tmp_path)]:
        assert words in str(refusal.value)


@pytest.mark.parametrize("lock_file", ["uv.lock", "poetry.lock"])
def test_a_lock_file_of_another_toolchain_is_refused_unless_pip_is_chosen(
    tmp_path: Path, lock_file: str
) -> None:
    """The official host would take uv or poetry for such a project."""
    program = tmp_path / "program"
    program.mkdir()
    (tmp_path / lock_file).touch()
    with pytest.raises(ToolError, match=lock_file):
        read_options({}, program, program, plugin=False)
    assert read_options({"toolchain": "pip"}, program, program, plugin=False).virtualenv is None


def test_a_child_gets_the_virtual_environment_activated(virtualenv: Path) -> None:
    """First on PATH, named in VIRTUAL_ENV, without PYTHONHOME; the rest is passed on."""
    base = {"PATH": "/usr/bin", "PYTHONHOME": "/x", "VIRTUAL_ENV": "/y", "PULUMI_HOME": "/z"}
    interpreter = Interpreter(virtualenv / "bin" / "python", virtualenv)
    assert interpreter.environment(base) == {
        "PATH": f"{virtualenv}/bin:/usr/bin",
        "VIRTUAL_ENV": str(virtualenv),
        "PULUMI_HOME": "/z",
    }
    assert interpreter.environment({})["PATH"] == f"{virtualenv}/bin"
    assert Interpreter(Path("/usr/bin/python3"), None).environment(base) == base


def test_python_comes_from_the_virtual_environment_or_the_variable_or_path(
    tmp_path: Path, virtualenv: Path
) -> None:
    """In this order, and without any of them there is a clear error."""
    python = virtualenv / "bin" / "python"
    options = read_options({"virtualenv": str(virtualenv)}, tmp_path, tmp_path, plugin=False)
    ambient = read_options({}, tmp_path, tmp_path, plugin=False)
    path = {"PATH": str(virtualenv / "bin")}
    assert find_interpreter(options, {}) == Interpreter(python, virtualenv)
    assert find_interpreter(ambient, path) == Interpreter(python, None)
    assert find_interpreter(ambient, {**path, "PULUMI_PYTHON_CMD": "python"}).executable == python
    with pytest.raises(ToolError, match=r"python3\.99 is not on PATH"):
        find_interpreter(ambient, {**path, "PULUMI_PYTHON_CMD": "python3.99"})
    with pytest.raises(ToolError, match="python3 or python is not on PATH"):
        find_interpreter(ambient, {"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    ("python_version", "expected"),
    [
        ("1", "1.0.0"),
        ("1.2", "1.2.0"),
        ("1.2.3", "1.2.3"),
        ("1.2.3.4", "1.2.3.4"),
        ("1.2.3a4", "1.2.3-alpha.4"),
        ("1.2b5", "1.2.0-beta.5"),
        ("1.2.3rc4", "1.2.3-rc.4"),
        ("1.2.3.post4", "1.2.3+post4"),
        ("1.2.3.dev5", "1.2.3+dev5"),
        ("1.2.3.post4.dev5", "1.2.3+post4dev5"),
        ("1.2.3rc4.post5", "1.2.3-rc.4+post5"),
        ("1!1.2.3", None),
        ("", None),
        ("latest", None),
        ("1.2.3+local", None),
    ],
)
def test_a_python_version_gives_the_version_of_its_plugin(
    python_version: str, expected: str | None
) -> None:
    """As the official host translates it; what has no translation has no plugin."""
    assert plugin_version(python_version) == expected


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (Package("pulumi-minio", "0.17.1", None), ("minio", "v0.17.1", "")),
        (Package("pulumi-minio", "0.17.1", {"resource": True}), ("minio", "v0.17.1", "")),
        (
            Package("acme", "1.0", {"resource": True, "name": "a", "version": "v2.0.0"}),
            ("a", "v2.0.0", ""),
        ),
        (
            Package("acme", "1.0", {"resource": True, "server": "https://example.org"}),
            ("acme", "v1.0.0", "https://example.org"),
        ),
        (Package("pulumi-thing", "1.0", {"resource": False}), None),
        (Package("pulumi-thing", "1.0", {}), None),
        (Package("pulumi-policy", "1.21.0", None), None),
        (Package("pulumi-thing", "3!1", None), None),
        (Package("requests", "2.0", None), None),
        (Package("pulumi", "3.0.0", None), None),
    ],
)
def test_an_installed_package_needs_the_plugin_that_it_declares(
    package: Package, expected: tuple[str, str, str] | None
) -> None:
    """By pulumi-plugin.json, else by the name pulumi-X; name, version and server are sent."""
    found = [(one.name, one.version, one.server) for one in required_plugins([package])]
    assert found == ([] if expected is None else [expected])


def test_a_parameterized_package_names_its_parameters() -> None:
    """The value is base64 in the file and bytes for the engine."""
    parameters = {"name": "base", "version": "1.0.0", "value": "aGVsbG8="}
    declared = {"resource": True, "parameterization": parameters}
    [dependency] = required_plugins([Package("pulumi-x", "1.0.0", declared)])
    assert dependency.parameterization.name == "base"
    assert dependency.parameterization.value == b"hello"


@pytest.mark.parametrize("broken", [{"name": 3}, {"parameterization": {"name": "base"}}])
def test_an_unusable_plugin_file_is_refused_with_the_packages_name(broken: dict[str, Any]) -> None:
    """A broken SDK must not break the run without a word."""
    package = Package("pulumi-x", "1.0.0", {"resource": True, **broken})
    with pytest.raises(ToolError, match=r"pulumi-x 1\.0\.0"):
        required_plugins([package])


def test_the_installed_packages_are_those_of_this_environment() -> None:
    """Checked against what this test itself imports."""
    described = inspect_environment.describe()
    versions = {package["name"]: package["version"] for package in described["packages"]}
    assert versions["pulumi"] == SDK_VERSION
    assert "grpcio" in described["required_by_others"]
    assert "pulumi-policy" not in described["required_by_others"]


def test_the_program_gets_everything_that_the_engine_passes(tmp_path: Path) -> None:
    """The whole description, exactly."""
    request = language_pb2.RunRequest(
        project="p",
        stack="s",
        pwd=str(tmp_path / "program"),
        args=["a", "b c"],
        config={"p:one": "1", "p:two": "geheim"},
        configSecretKeys=["p:two"],
        dryRun=True,
        parallel=7,
        monitor_address="127.0.0.1:2",
        organization="o",
        info=program_info(tmp_path),
    )
    assert programs.job(request, "127.0.0.1:1") == {
        "project": "p",
        "stack": "s",
        "organization": "o",
        "root_directory": str(tmp_path),
        "directory": str(tmp_path / "program"),
        "entry_point": ".",
        "arguments": ["a", "b c"],
        "config": {"p:one": "1", "p:two": "geheim"},
        "config_secret_keys": ["p:two"],
        "dry_run": True,
        "parallel": 7,
        "monitor": "127.0.0.1:2",
        "engine": "127.0.0.1:1",
    }


@pytest.mark.parametrize(
    ("code", "stopped", "error", "bail"),
    [
        (0, False, "", False),
        (32, False, "", True),
        (3, False, "the program ended with exit code 3", False),
        (130, True, "the program was cancelled and ended with exit code 130", False),
        (-9, False, "the program was killed by SIGKILL (9)", False),
        (-9, True, "the program was cancelled and was killed by SIGKILL (9)", False),
    ],
)
def test_the_end_of_the_program_is_reported_to_the_engine(
    code: int, stopped: bool, error: str, bail: bool
) -> None:
    """Exit code 32 says that the user knows already."""
    assert programs.outcome(code, stopped) == language_pb2.RunResponse(error=error, bail=bail)


def test_a_plugin_gets_the_engines_variables_under_its_virtual_environment(
    virtualenv: Path,
) -> None:
    """The engine repeats its own PATH, which must not hide the virtual environment."""
    interpreter = Interpreter(virtualenv / "bin" / "python", virtualenv)
    requested = ["PATH=/engine", "EMPTY=", "EQUALS=a=b"]
    variables = plugin_environment(interpreter, {"HOST": "1", "PATH": "/host"}, requested)
    assert variables["PATH"] == f"{virtualenv}/bin:/engine"
    assert (variables["HOST"], variables["EMPTY"], variables["EQUALS"]) == ("1", "", "a=b")


def test_a_policy_pack_gets_its_stack_from_the_engines_message() -> None:
    """All that pulumi.policy reads; nothing without a message."""
    message = analyzer_pb2.AnalyzerStackConfigureRequest(
        stack="s", project="p", organization="o", dry_run=True, config={"p:k": "v"}
    )
    assert policy_environment(message.SerializeToString()) == {
        "PULUMI_STACK": "s",
        "PULUMI_PROJECT": "p",
        "PULUMI_ORGANIZATION": "o",
        "PULUMI_DRY_RUN": "true",
        "PULUMI_CONFIG": json.dumps({"p:k": "v"}),
    }
    assert policy_environment(None) == {}


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ([b"hello", b" world\nmore\n", b""], "began with 'hello world'"),
        ([b""], "ended before it served"),
    ],
)
def test_a_policy_pack_that_does_not_serve_is_reported_to_the_engine(
    output: list[bytes], reason: str
) -> None:
    """Calls that wait get an error instead of waiting for ever."""
    proxy = PolicyProxy()
    try:
        written = b"".join(proxy.take_port(piece) for piece in output)
        assert written == b"".join(output)
        with grpc.insecure_channel(f"127.0.0.1:{proxy.port}") as channel:
            method = "/pulumirpc.Analyzer/GetAnalyzerInfo"
            call: Callable[..., bytes] = channel.unary_unary(method, bytes, bytes)
            with pytest.raises(grpc.RpcError, match=reason):
                call(b"", timeout=WAIT_SECONDS)
    finally:
        proxy.close()


def test_every_call_that_the_host_does_not_serve_is_refused_with_advice(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path
) -> None:
    """UNIMPLEMENTED, the host's name and what to do, for all of the protocol but what it serves."""
    service = language_pb2.DESCRIPTOR.services_by_name["LanguageRuntime"]
    served = {
        name
        for name in vars(LanguageHost)
        if name in service.methods_by_name and name not in UNSUPPORTED
    }
    assert served | set(UNSUPPORTED) == set(service.methods_by_name)
    for name, advice in UNSUPPORTED.items():
        method = service.methods_by_name[name]
        request = getattr(language_pb2, method.input_type.name)()
        call = getattr(stub, name)
        with pytest.raises(grpc.RpcError) as refusal:
            [*call(request, timeout=WAIT_SECONDS)]  # Streams fail when they are read.
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
        for words in (name, EMULATOR, advice):
            assert words in str(refusal.value.details())


def test_the_host_answers_about_the_projects_interpreter(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path, virtualenv: Path
) -> None:
    """And says in `pulumi about` that it is the emulator."""
    info = program_info(tmp_path, virtualenv=str(virtualenv))
    about = stub.About(language_pb2.AboutRequest(info=info))
    assert about.version == sys.version.split()[0]
    assert about.metadata["host"] == EMULATOR


def test_the_hosts_dependencies_are_all_packages_or_the_direct_ones(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path, virtualenv: Path
) -> None:
    """What pulumi brings along is listed only among all."""
    info = program_info(tmp_path, virtualenv=str(virtualenv))
    request = language_pb2.GetProgramDependenciesRequest(info=info)
    direct = {one.name for one in stub.GetProgramDependencies(request).dependencies}
    request.transitiveDependencies = True
    everything = {one.name for one in stub.GetProgramDependencies(request).dependencies}
    assert "pulumi-policy" in direct
    assert direct < everything
    assert "grpcio" in everything - direct


@pytest.mark.parametrize(("make", "what"), [(False, "does not exist"), (True, "is not a virtual")])
def test_a_missing_virtual_environment_is_a_mistake_of_the_project(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path, make: bool, what: str
) -> None:
    """Named with the folder and the command that makes it, before anything runs."""
    folder = tmp_path / "gone"
    if make:
        folder.mkdir()
    info = program_info(tmp_path, virtualenv="gone")
    calls: list[Callable[[], object]] = [
        lambda: stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=info)),
        lambda: stub.Run(language_pb2.RunRequest(info=info)),
        lambda: [*stub.InstallDependencies(language_pb2.InstallDependenciesRequest(info=info))],
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as refusal:
            call()
        assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        for words in (str(folder), what, "python3 -m venv"):
            assert words in str(refusal.value.details())


def test_nothing_is_installed_into_an_environment_that_is_there(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path, virtualenv: Path
) -> None:
    """And the user is informed, since the official host would install."""
    info = program_info(tmp_path, virtualenv=str(virtualenv))
    before = sorted(virtualenv.rglob("*"))
    request = language_pb2.InstallDependenciesRequest(info=info, is_plugin=True)
    said = b"".join(answer.stdout for answer in stub.InstallDependencies(request)).decode()
    assert f"installs nothing: {virtualenv}/bin/python is used as it is" in said
    assert sorted(virtualenv.rglob("*")) == before


def test_a_debugger_and_a_plugin_without_a_program_are_refused(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path
) -> None:
    """Both would otherwise fail in a way that says nothing."""
    info = program_info(tmp_path)
    run = language_pb2.RunRequest(info=info, attach_debugger=True)
    with pytest.raises(grpc.RpcError, match="debugger"):
        stub.Run(run)
    with pytest.raises(grpc.RpcError, match=f"{tmp_path} has no __main__.py"):
        list(stub.RunPlugin(language_pb2.RunPluginRequest(info=info, kind="resource")))


def test_a_plugins_output_and_exit_code_are_streamed(
    stub: language_pb2_grpc.LanguageRuntimeStub, tmp_path: Path, virtualenv: Path
) -> None:
    """What it writes comes on the stream that it wrote to; the exit code comes last."""
    (tmp_path / "__main__.py").write_text(
        "import sys\nprint(sys.argv[1:], flush=True)\nprint('no', file=sys.stderr)\nsys.exit(7)\n"
    )
    request = language_pb2.RunPluginRequest(
        info=program_info(tmp_path, virtualenv=str(virtualenv)),
        kind="resource",
        pwd=str(tmp_path),
        args=["127.0.0.1:1", "x y"],
    )
    answers = [*stub.RunPlugin(request)]
    assert b"".join(one.stdout for one in answers) == b"['127.0.0.1:1', 'x y']\n"
    assert b"".join(one.stderr for one in answers) == b"no\n"
    assert answers[-1].WhichOneof("output") == "exitcode"
    assert answers[-1].exitcode == 7


def start(script: str, tmp_path: Path) -> Child:
    """Return a child that runs a Python script, started in `tmp_path`."""
    return Child([sys.executable, "-c", script], directory=tmp_path, environment=os.environ)


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    """Nothing is left behind, even by a child that has ended by itself."""
    child = start(
        "import subprocess\n"
        "pid = subprocess.Popen(['sleep', '300']).pid\n"
        "open('pid', 'w').write(str(pid))\n",
        tmp_path,
    )
    assert child.wait() == 0
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_running(pid), "ended")
    assert not child.stopped


def test_a_child_that_ignores_the_interrupt_is_killed(tmp_path: Path) -> None:
    """After the grace, and with all that it has started."""
    child = start(
        "import signal, subprocess, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "pid = subprocess.Popen(['sleep', '300']).pid\n"
        "open('half', 'w').write(str(pid))\n"
        "import os; os.rename('half', 'pid')\n"
        "time.sleep(300)\n",
        tmp_path,
    )
    wait_until((tmp_path / "pid").exists, "started")
    stop_children([child], grace_seconds=0.1)
    assert child.wait() == -signal.SIGKILL
    assert child.stopped
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not is_running(pid), "ended")


def test_a_child_is_interrupted_once_however_often_it_is_asked_to_end(tmp_path: Path) -> None:
    """A second interrupt would break off what it does because of the first."""
    child = start(
        "import pathlib, signal, sys, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        "pathlib.Path('ready').touch()\n"
        "while not seen: time.sleep(0.01)\n"
        "pathlib.Path('interrupted').touch()\n"
        "while not pathlib.Path('end').exists(): time.sleep(0.01)\n"
        "sys.exit(len(seen))\n",
        tmp_path,
    )
    wait_until((tmp_path / "ready").exists, "started")
    child.interrupt()
    wait_until((tmp_path / "interrupted").exists, "interrupted")
    child.interrupt()
    (tmp_path / "end").touch()
    assert child.wait() == 1


def test_an_interrupt_in_a_callback_of_python_ends_the_program(tmp_path: Path) -> None:
    """Python itself would report it as an ignored exception, and go on."""
    script = tmp_path / "script.py"
    script.write_text(
        "import time, weakref\n"
        "class Thing: pass\n"
        "def callback(_):\n"
        "    print('in the callback', flush=True)\n"
        "    time.sleep(60)\n"
        "thing = Thing()\n"
        "reference = weakref.ref(thing, callback)\n"
        "try:\n"
        "    del thing\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    command = [sys.executable, run_child.__file__, "path", str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "in the callback\n"
        child.send_signal(signal.SIGINT)
        rest, errors = child.communicate(timeout=30)
    assert rest == "interrupted\n"
    assert errors == ""


def test_a_child_that_starts_after_the_cancel_is_killed(tmp_path: Path) -> None:
    """A cancel that comes while the program starts is not lost."""
    children = Children()
    assert children.close() == []
    child = start("import time; time.sleep(300)", tmp_path)
    children.add(child)
    assert child.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "ended with exit code 0"), (-11, "was killed by SIGSEGV (11)"), (-99, "unknown signal")],
)
def test_the_end_of_a_child_is_reported_in_words(code: int, words: str) -> None:
    """Signals by name."""
    assert words in describe_exit(code)


def test_a_traceback_begins_in_the_users_program(tmp_path: Path) -> None:
    """For each error of a chain; frames below the program stay."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json\n"
        "def work():\n"
        "    try:\n"
        "        json.loads('{')\n"
        "    except ValueError as error:\n"
        "        raise RuntimeError('outer') from error\n"
    )
    scope: dict[str, Any] = {}
    exec(compile(program.read_text(), program, "exec"), scope)
    with pytest.raises(RuntimeError) as raised:
        scope["work"]()
    report = run_child.user_traceback(raised.value, str(tmp_path))
    assert str(Path(__file__)) not in report
    assert report.count("Traceback") == 2
    assert report.startswith(f'Traceback (most recent call last):\n  File "{program}", line 4')
    assert "decoder.py" in report
    assert report.endswith("RuntimeError: outer\n")


def test_a_syntax_error_is_reported_without_frames_of_the_host(tmp_path: Path) -> None:
    """It names the user's file and line itself."""
    with pytest.raises(SyntaxError) as raised:
        compile("def f(:", str(tmp_path / "__main__.py"), "exec")
    report = run_child.user_traceback(raised.value, str(tmp_path))
    assert str(Path(__file__)) not in report
    assert f'File "{tmp_path / "__main__.py"}", line 1' in report


def test_the_parts_that_cannot_import_each_other_agree() -> None:
    """The child runs in the project's interpreter, and the release is the one installed here."""
    import pulumi._version

    assert run_child.SDK_VERSION == SDK_VERSION == str(pulumi._version.version)
    assert run_child.EXIT_REPORTED == programs.EXIT_REPORTED
    imports = {
        name
        for node in ast.walk(ast.parse(Path(run_child.__file__).read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert not any(str(name).startswith(("tools", "offline")) for name in imports)


def test_another_release_of_pulumi_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both releases; nothing is said of the right one."""
    assert run_child.other_release() == ""
    monkeypatch.setattr(run_child, "SDK_VERSION", "3.0.1")
    assert f"pulumi {SDK_VERSION}" in run_child.other_release()
    assert "pulumi==3.0.1" in run_child.other_release()


def test_serving_does_not_need_the_whole_of_pulumi() -> None:
    """The import would cost more than all else; afterwards pulumi can be imported as ever."""
    script = (
        "import sys\n"
        "import offline.host.service\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'pulumi']\n"
        "import pulumi\n"
        "from pulumi.runtime.proto import language_pb2\n"
        "mine = offline.host.service.language_pb2.RunRequest(project='p')\n"
        "assert language_pb2.RunRequest.FromString(mine.SerializeToString()).project == 'p'\n"
        "print(pulumi.__file__)\n"
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["127.0.0.1:80"],
        ["--logtostderr", "-v=9", "127.0.0.1:80"],
        ["-v", "9", "--tracing", "file:trace", "127.0.0.1:80"],
        ["--tracing=file:trace", "-logflow", "127.0.0.1:80"],
    ],
)
def test_the_engines_logging_flags_are_accepted(arguments: list[str]) -> None:
    """They come before the address."""
    assert host_main.engine_address(arguments) == "127.0.0.1:80"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected one address"),
        (["127.0.0.1:80", "more"], "'more'"),
        (["--root=/x", "127.0.0.1:80"], "'--root=/x'"),
        (["127.0.0.1"], "HOST:PORT"),
        (["127.0.0.1:http"], "HOST:PORT"),
    ],
)
def test_a_wrong_command_line_is_reported_on_stderr(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """With exit code 2 and nothing on stdout, where the engine waits for a port."""
    assert host_main.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for part in (words, EMULATOR, "usage"):
        assert part in err


def test_a_host_without_an_engine_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The engine may have died before the host could watch it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert host_main.main([f"127.0.0.1:{port}"]) == 1
    assert f"no engine at 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.fixture
def launchers(tmp_path: Path) -> Path:
    """Launchers for a project whose path needs quoting."""
    root = tmp_path / 'it\'s a "project" $HOME'
    root.symlink_to(ROOT)
    write_launchers(tmp_path / "bin", Path(sys.executable), root)
    return tmp_path / "bin"


def test_the_launchers_are_executable_and_nothing_else_is_left(launchers: Path) -> None:
    """Written again, they are the same."""
    names = ["pulumi-language-python", "pulumi-resource-pulumi-python"]
    assert sorted(path.name for path in launchers.iterdir()) == names
    before = [(launchers / name).read_text() for name in names]
    write_launchers(launchers, Path(sys.executable), next(launchers.parent.glob("it's*")))
    assert [(launchers / name).read_text() for name in names] == before
    for name in names:
        assert stat.S_IMODE((launchers / name).stat().st_mode) == 0o755


def test_the_host_starts_by_its_launcher_anywhere(launchers: Path, tmp_path: Path) -> None:
    """Whatever PYTHONPATH says, which is left to the program."""
    result = subprocess.run(
        [launchers / "pulumi-language-python", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout, result.stderr) == (f"{SDK_VERSION}\n", "")


def run_dynamic(launchers: Path, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the launcher of dynamic providers as the engine does, with these options."""
    environment = {"PATH": os.defpath}
    environment |= {f"PULUMI_{name}": value for name, value in variables.items()}
    command = [str(launchers / "pulumi-resource-pulumi-python"), "127.0.0.1:1", "a b"]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("relative", [True, False])
def test_dynamic_providers_run_in_the_projects_virtual_environment(
    launchers: Path, tmp_path: Path, relative: bool
) -> None:
    """Activated, found from the project's folder, with the engine's arguments."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$VIRTUAL_ENV" "${PATH%%:*}" "$@"\n')
    python.chmod(0o755)
    virtualenv = "env" if relative else str(tmp_path / "env")
    result = run_dynamic(launchers, tmp_path, RUNTIME_VIRTUALENV=virtualenv)
    lines = result.stdout.splitlines()
    assert lines[:3] == [str(tmp_path / "env"), str(python.parent), "-u"]
    assert lines[3].endswith("/offline/host/run_child.py")
    assert lines[4:] == ["module", "pulumi.dynamic", "127.0.0.1:1", "a b"]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RUNTIME_VIRTUALENV": "gone"}, "gone, which is no virtual environment"),
        ({"RUNTIME_TOOLCHAIN": "uv"}, "'toolchain' is 'uv'"),
    ],
)
def test_dynamic_providers_refuse_what_the_host_refuses(
    launchers: Path, tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    """On stderr, with nothing on stdout, where the engine waits for a port."""
    result = run_dynamic(launchers, tmp_path, **variables)
    assert (result.returncode, result.stdout) == (1, "")
    assert words in result.stderr


def test_a_dynamic_provider_ends_with_its_parent(tmp_path: Path) -> None:
    """The engine may be killed, without notice to the provider."""
    command = [sys.executable, run_child.__file__, "module", "pulumi.dynamic", "127.0.0.1:1"]
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({command!r}, stdout=subprocess.PIPE, process_group=0)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.communicate()
    try:
        wait_until(lambda: not is_running(pid), "ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
