"""Programs, policy packs, components and dynamic providers in Python, under the real engine.

Only this module has the engine start, cancel and kill what the language host runs; its single calls
are shown in `tests/unit/offline/test_language_host.py`.

The tests say what any Python language host must do. They run on the emulator of this project;
with NIX_CACHE_TEST_PATH_PREFIX naming a folder that holds another host (and its `pulumi`, if it
must lie beside it), they run on that one, so that the two can be compared.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from offline.host.launchers import write_launchers
from tests.waiting import is_running, wait_until
from tools.engine import Engine

pytestmark = pytest.mark.offline

ROOT = Path(__file__).resolve().parents[2]
OTHER_HOST = os.environ.get("NIX_CACHE_TEST_PATH_PREFIX")
RUN_SECONDS = 90
END_SECONDS = 15
SECRET = "geheim-3f9a1c"

only_the_emulator = pytest.mark.skipif(
    OTHER_HOST is not None, reason="the official host does otherwise; offline/README.md says how"
)

ONE_ERROR = [] if OTHER_HOST else [r"1 error\n"]
"""What the emulator's output has where a program explains its failure; others add an exit code."""

DYNAMIC_PROVIDER = """
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class Provider(ResourceProvider):
    def create(self, props):
        import sys
        return CreateResult("id", {"value": props["value"], "prefix": sys.prefix})

class Dynamic(Resource):
    value: pulumi.Output[str]
    prefix: pulumi.Output[str]

    def __init__(self, name, value):
        super().__init__(Provider(), name, {"value": value, "prefix": None})
"""

PAUSE = """
import os, subprocess, time
sleeper = subprocess.Popen(["sleep", "300"]).pid
with open({half!r}, "w") as file:
    print(os.getpid(), os.getppid(), sleeper, file=file)
os.rename({half!r}, {whole!r})
time.sleep(300)
"""


@pytest.fixture(scope="session")
def engine_path(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """PATH with an engine and the language host under test."""
    folders = [str(engine.pulumi.parent), os.environ["PATH"]]
    if OTHER_HOST:
        folders.insert(0, OTHER_HOST)
    else:
        folder = tmp_path_factory.mktemp("bin")
        write_launchers(folder, Path(sys.prefix) / "bin" / "python", ROOT)
        # Beside the engine, so that it does not warn of an ambient language host.
        link_or_copy(str(engine.pulumi), str(folder / "pulumi"))
        folders.insert(0, str(folder))
    return os.pathsep.join(folders)


@pytest.fixture(scope="session")
def virtualenv(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Provide this environment without provider SDKs, whose plugins the engine would need."""
    folder = tmp_path_factory.mktemp("virtualenv")
    venv.create(folder, with_pip=False)
    [there] = folder.glob("lib/python3*/site-packages")
    shutil.copytree(
        sysconfig.get_path("purelib"),
        there,
        copy_function=link_or_copy,
        ignore=shutil.ignore_patterns("pulumi_[!p]*", "*.pth"),
        dirs_exist_ok=True,
    )
    return str(folder)


def link_or_copy(source: str, target: str) -> None:
    """Make a file appear in another folder, cheaply if that is on the same file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


_new_stack: dict[Path, bytes] = {}
"""The files of a stack with nothing in it, by their place. To make them takes half a second."""


class Project:
    """A project in its own folder, with a stack `dev` on its own file backend."""

    def __init__(self, folder: Path, engine_path: str, virtualenv: str) -> None:
        """Write the project and make its stack."""
        self.virtualenv = virtualenv
        self.paused: list[int] = []
        self.folder = folder / "project"
        self.folder.mkdir()
        (folder / "state").mkdir()
        self.environment = {
            "PATH": engine_path,
            "HOME": str(folder),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "passphrase",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        self.options({"toolchain": "pip", "virtualenv": virtualenv})
        self._make_stack(folder)

    def _make_stack(self, folder: Path) -> None:
        """Make the stack: the first one by the engine, further ones as copies of it."""
        if not _new_stack:
            self.run("stack", "init", "dev", code=0)
            made = [self.folder / "Pulumi.dev.yaml", *(folder / "state").rglob("*")]
            _new_stack.update(
                {path.relative_to(folder): path.read_bytes() for path in made if path.is_file()}
            )
            return
        for name, content in _new_stack.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self.run("stack", "select", "dev", code=0)

    def options(self, options: Mapping[str, object]) -> None:
        """Write Pulumi.yaml with these runtime options; JSON is YAML."""
        runtime = {"name": "python", "options": options}
        self.write("Pulumi.yaml", json.dumps({"name": "shop", "runtime": runtime}))

    def write(self, name: str, text: str) -> Path:
        """Write a file below the project's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def program(self, text: str) -> None:
        """Write the program."""
        self.write("__main__.py", text)

    def policy_pack(self, text: str) -> str:
        """Write a policy pack; returns its folder."""
        runtime = {"name": "python", "options": {"virtualenv": self.virtualenv}}
        manifest = self.write("pack/PulumiPolicy.yaml", json.dumps({"runtime": runtime}))
        self.write("pack/__main__.py", text)
        return str(manifest.parent)

    def component(self, text: str) -> str:
        """Write a component package; returns its folder."""
        runtime = {"name": "python", "options": {"virtualenv": self.virtualenv}}
        manifest = self.write("component/PulumiPlugin.yaml", json.dumps({"runtime": runtime}))
        self.write("component/__main__.py", text)
        return str(manifest.parent)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start the CLI, as the leader of a process group."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            executable=shutil.which("pulumi", path=self.environment["PATH"]),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def run(self, *arguments: str, code: int | None = None) -> str:
        """Run the CLI to its end; returns all that it prints. `code` None is any but 0."""
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=RUN_SECONDS)
        finally:
            process.kill()
        ended_well = process.returncode == code if code is not None else process.returncode != 0
        assert ended_well, f"exit code {process.returncode}:\n{output}"
        return output

    def outputs(self) -> dict[str, object]:
        """Return the stack's outputs, secrets in clear."""
        text = self.run("stack", "output", "--json", "--show-secrets", code=0)
        outputs: dict[str, object] = json.loads(text)
        return outputs

    def pause(self) -> tuple[str, Callable[[], list[int]]]:
        """Code that stops for five minutes, and how to get the ids of its processes.

        They are those of itself, of its parent and of a process that it has started.
        """
        whole = self.folder.parent / "pids"

        def pids() -> list[int]:
            wait_until(whole.exists, "paused")
            self.paused = [int(pid) for pid in whole.read_text().split()]
            return self.paused

        return PAUSE.format(half=str(whole) + ".half", whole=str(whole)), pids


@pytest.fixture
def project(tmp_path: Path, engine_path: str, virtualenv: str) -> Iterator[Project]:
    """Provide a project without a program yet; what it paused is ended afterwards, if need be."""
    project = Project(tmp_path, engine_path, virtualenv)
    yield project
    for pid in project.paused:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_program_learns_its_stack_and_config(project: Project) -> None:
    """Names, folders, config of every kind, and whether it is a preview."""
    project.program(
        "import os, sys, pulumi\n"
        "config = pulumi.Config()\n"
        "facts = {\n"
        "    'names': [pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack()],\n"
        "    'folders': [os.getcwd(), pulumi.get_root_directory()],\n"
        "    'argv': sys.argv,\n"
        "    'prefix': sys.prefix,\n"
        "    'environment': [os.environ['VIRTUAL_ENV'], os.environ['PATH'].split(':')[0]],\n"
        "    'plain': config.require('plain'),\n"
        "    'number': config.require_int('number'),\n"
        "    'object': config.require_object('object'),\n"
        "    'passed': 'shop:plain' in os.environ['PULUMI_CONFIG'],\n"
        "    'secret keys': os.environ['PULUMI_CONFIG_SECRET_KEYS'],\n"
        "    'imports': [name for name in ('options', 'children') if name in sys.modules],\n"
        "}\n"
        "for key, value in facts.items():\n"
        "    pulumi.export(key, value)\n"
        "pulumi.export('secret', config.require_secret('secret'))\n"
        "print('dry run:', pulumi.runtime.is_dry_run())\n"
    )
    project.run("config", "set", "plain", "text", code=0)
    project.run("config", "set", "number", "7", code=0)
    project.run("config", "set", "--path", "object.list[0]", "one", code=0)
    project.run("config", "set", "--secret", "secret", SECRET, code=0)
    assert "dry run: True" in project.run("preview", code=0)
    up = project.run("up", "--yes", "--skip-preview", code=0)
    assert "dry run: False" in up
    assert SECRET not in up
    assert SECRET not in project.run("stack", "export", code=0)
    folder = str(project.folder)
    assert project.outputs() == {
        "names": ["organization", "shop", "dev"],
        "folders": [folder, folder],
        "argv": ["."],
        "prefix": project.virtualenv,
        "environment": [project.virtualenv, f"{project.virtualenv}/bin"],
        "plain": "text",
        "number": 7,
        "object": {"list": ["one"]},
        "passed": True,
        "secret keys": '["shop:secret"]',
        "imports": [],
        "secret": SECRET,
    }


def test_secret_config_is_on_no_command_line(project: Project) -> None:
    """All users on the machine can read those."""
    project.program(
        "import pathlib, pulumi\n"
        "secret = pulumi.Config().require('secret')\n"
        "lines = [one.read_bytes() for one in pathlib.Path('/proc').glob('[0-9]*/cmdline')]\n"
        "print('searched:', len(lines) > 3, 'shown:', secret.encode() in b''.join(lines))\n"
    )
    project.run("config", "set", "--secret", "secret", SECRET, code=0)
    assert "searched: True shown: False" in project.run("preview", code=0)


def test_an_entry_point_may_be_a_folder_or_a_file(project: Project) -> None:
    """As `main:` in Pulumi.yaml says; modules beside it can be imported."""
    project.write("src/helper.py", "NAME = 'helper'\n")
    project.write("src/__main__.py", "import helper\nprint('folder with', helper.NAME)\n")
    project.write("src/other.py", "import os\nprint('file in', os.getcwd())\n")
    manifest = json.loads((project.folder / "Pulumi.yaml").read_text())
    project.write("Pulumi.yaml", json.dumps({**manifest, "main": "src"}))
    assert "folder with helper" in project.run("preview", code=0)
    project.write("Pulumi.yaml", json.dumps({**manifest, "main": "src/other.py"}))
    assert f"file in {project.folder / 'src'}" in project.run("preview", code=0)


def test_what_a_program_prints_is_shown(project: Project) -> None:
    """Both streams, also without a line's end."""
    project.program(
        "import sys\n"
        "print('to stdout')\n"
        "print('to stderr', file=sys.stderr)\n"
        "print('unfinished', end='')\n"
    )
    output = project.run("preview", code=0)
    for words in ("to stdout", "to stderr", "unfinished"):
        assert words in output


def test_a_dynamic_resource_is_made_in_the_projects_environment(project: Project) -> None:
    """And the second update finds nothing to do."""
    project.program(
        f"import pulumi\n{DYNAMIC_PROVIDER}\n"
        "one = Dynamic('one', 'text')\n"
        "pulumi.export('value', one.value)\n"
        "pulumi.export('prefix', one.prefix)\n"
    )
    project.run("up", "--yes", "--skip-preview", code=0)
    assert project.outputs() == {"value": "text", "prefix": project.virtualenv}
    project.run("up", "--yes", "--skip-preview", "--expect-no-changes", code=0)
    project.run("destroy", "--yes", "--skip-preview", code=0)


FRAMES = """
import pulumi
import helper

def outer():
    helper.work()

outer()
"""


@pytest.mark.parametrize(
    ("program", "shown", "hidden"),
    [
        pytest.param(
            FRAMES,
            [
                r'project/__main__\.py", line 8, in <module>\s+outer\(\)',
                r'project/__main__\.py", line 6, in outer',
                r'project/helper\.py", line 2, in work',
                r"ZeroDivisionError: division by zero",
            ],
            ["run_path", "run_in_stack"],
            id="exception",
        ),
        pytest.param(
            "import pulumi\npulumi.Output.from_input(0).apply(lambda n: 1 / n)\n",
            [r'project/__main__\.py", line 2, in <lambda>', "ZeroDivisionError"],
            ["run_path", "run_in_stack"],
            id="exception in apply",
        ),
        pytest.param(
            "import nothing_such\n",
            [r'__main__\.py", line 1', "No module named 'nothing_such'"],
            ["run_path", "run_in_stack"],
            id="missing dependency",
        ),
        pytest.param(
            "print('before')\ndef f(:\n",
            [r'project/__main__\.py", line 2', "SyntaxError: invalid syntax"],
            ["before"],
            id="syntax error",
        ),
        pytest.param(
            "import pulumi\nraise pulumi.RunError('the bucket has no name')\n",
            ["error: the bucket has no name", *ONE_ERROR],
            ["Traceback", "RunError"],
            id="RunError",
        ),
        pytest.param(
            "import pulumi\npulumi.Config().require('name')\n",
            ["Missing required configuration variable 'shop:name'", "pulumi config set"],
            ["Traceback"],
            id="missing config",
        ),
        pytest.param(
            "import sys\nprint('last words')\nsys.exit(3)\n",
            ["last words", r"exit code:? 3"],
            ["Traceback"],
            id="exit code",
        ),
        pytest.param(
            "import os\nos.kill(os.getpid(), 9)\n",
            [r"SIGKILL|exit code: -1"],
            ["Traceback"],
            id="killed",
        ),
        pytest.param(None, [r"__main__\.py", "/project"], ["Traceback"], id="no program"),
    ],
)
def test_a_program_that_fails_is_explained(
    project: Project, program: str | None, shown: list[str], hidden: list[str]
) -> None:
    """The user's own frames and no others, or words alone where the program chose them."""
    project.write("helper.py", "def work():\n    return 1 / 0\n")
    if program is not None:
        project.program(program)
    output = project.run("preview")
    for pattern in shown:
        assert re.search(pattern, output), f"{pattern!r} is not in:\n{output}"
    for words in hidden:
        assert words not in output, f"{words!r} is in:\n{output}"


def test_a_folder_that_is_no_virtual_environment_is_named(project: Project) -> None:
    """Before the program runs."""
    project.program("print('it ran')\n")
    (project.folder / "env" / "lib").mkdir(parents=True)
    project.options({"toolchain": "pip", "virtualenv": "env"})
    output = project.run("preview")
    assert str(project.folder / "env") in output
    assert "it ran" not in output


@only_the_emulator
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"virtualenv": "gone"}, ["project/gone, which does not exist", "python3 -m venv"]),
        ({"toolchain": "uv", "typechecker": "mypy", "x": 1}, ["'uv'", "'mypy'", "'x' is unknown"]),
    ],
)
def test_runtime_options_that_the_emulator_cannot_honour_are_refused(
    project: Project, options: dict[str, object], named: list[str]
) -> None:
    """With every mistake, and before the program runs."""
    project.program("print('it ran')\n")
    project.options(options)
    output = project.run("up", "--yes", "--skip-preview")
    for words in named:
        assert words in output
    assert "it ran" not in output
    assert "Traceback" not in output


def test_an_environment_without_pulumi_is_explained(project: Project, tmp_path: Path) -> None:
    """With the interpreter and what to install."""
    project.program("print('it ran')\n")
    venv.create(tmp_path / "empty", with_pip=True)
    project.options({"toolchain": "pip", "virtualenv": str(tmp_path / "empty")})
    output = project.run("preview")
    assert "No module named 'pulumi'" in output
    assert "pip install -r requirements.txt" in output
    assert "it ran" not in output


def test_a_cancelled_update_ends_the_program_and_what_it_started(project: Project) -> None:
    """As after Ctrl-C, which the emulator does not call a bug."""
    code, pids = project.pause()
    project.program(code)
    process = project.start("up", "--yes", "--skip-preview")
    paused = pids()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=END_SECONDS)
    assert process.returncode != 0
    assert "cancel" in output
    if OTHER_HOST is None:
        assert "Traceback" not in output
        assert "KeyboardInterrupt" not in output
    wait_until(lambda: not any(map(is_running, paused)), f"ended: {paused}")
    assert "pending_operations" not in project.run("stack", "export", code=0)


@only_the_emulator
@pytest.mark.parametrize("where", ["program", "policy pack", "component", "dynamic provider"])
def test_nothing_outlives_an_engine_that_is_killed(project: Project, where: str) -> None:
    """Not the host, nor what it runs, nor what that has started."""
    code, pids = project.pause()
    arguments = ["up", "--yes", "--skip-preview"]
    project.program("import pulumi\n")
    if where == "program":
        project.program(code)
    elif where == "policy pack":
        arguments += ["--policy-pack", project.policy_pack(code)]
    elif where == "component":
        arguments = ["package", "get-schema", project.component(code)]
    else:
        indented = code.strip().replace("\n", "\n        ")
        provider = DYNAMIC_PROVIDER.replace("import sys\n", f"import sys\n        {indented}\n")
        project.program(f"import pulumi\n{provider}\nDynamic('one', 'text')\n")
    process = project.start(*arguments)
    paused = pids()
    assert all(map(is_running, paused))
    process.kill()
    process.communicate(timeout=END_SECONDS)
    wait_until(lambda: not any(map(is_running, paused)), f"ended: {paused}")


PACK = """
import sys
import pulumi
from pulumi_policy import (
    EnforcementLevel, PolicyPack, ResourceValidationPolicy, StackValidationPolicy,
)

config = pulumi.Config("shop")
where = f"{pulumi.get_project()}/{pulumi.get_stack()} {pulumi.runtime.is_dry_run()}"
print("pack starts for", where, config.get("plain"), file=sys.stderr)

def no_bad(args, report):
    if args.props.get("value") == "bad":
        report("a bad value in " + where)

def any_stack(args, report):
    report("a stack: " + pulumi.get_stack())

PolicyPack("pack", policies=[
    ResourceValidationPolicy("no-bad", "No bad values.", no_bad, EnforcementLevel.MANDATORY),
    StackValidationPolicy("any-stack", "Any stack.", any_stack, EnforcementLevel.ADVISORY),
])
"""


@pytest.mark.parametrize(("value", "code"), [("good", 0), ("bad", None)])
def test_a_policy_pack_judges_the_stack_that_it_knows(
    project: Project, value: str, code: int | None
) -> None:
    """Its name and config are known while the pack is loaded; advice does not stop, a rule does."""
    project.program(f"import pulumi\n{DYNAMIC_PROVIDER}\nDynamic('one', {value!r})\n")
    project.run("config", "set", "plain", "text", code=0)
    pack = project.policy_pack(PACK)
    output = project.run("preview", "--policy-pack", pack, code=code)
    assert "pack starts for shop/dev True text" in output
    assert "a stack: dev" in output
    assert ("a bad value in shop/dev True" in output) is (value == "bad")
    if value == "good":
        up = project.run("up", "--yes", "--skip-preview", "--policy-pack", pack, code=0)
        assert "pack starts for shop/dev False text" in up


def test_a_policy_pack_that_cannot_start_stops_the_preview(project: Project) -> None:
    """With the pack's own traceback."""
    project.program("import pulumi\n")
    pack = project.policy_pack("raise LookupError('no rules')\n")
    output = project.run("preview", "--policy-pack", pack)
    assert "LookupError: no rules" in output
    assert "policy pack" in output


COMPONENT = """
from typing import Optional, TypedDict
import pulumi
from pulumi.provider.experimental import component_provider_host

class ShelfArgs(TypedDict):
    width: pulumi.Input[int]
    label: Optional[pulumi.Input[str]]

class Shelf(pulumi.ComponentResource):
    area: pulumi.Output[int]

    def __init__(self, name: str, args: ShelfArgs, opts: Optional[pulumi.ResourceOptions] = None):
        super().__init__("shop:index:Shelf", name, {}, opts)
        self.area = pulumi.Output.from_input(args["width"]).apply(lambda width: width * 2)
        self.register_outputs({"area": self.area})

if __name__ == "__main__":
    component_provider_host(name="shop", components=[Shelf])
"""


def test_the_schema_of_a_component_is_read_from_its_server(project: Project) -> None:
    """Inputs, which of them are required, and outputs."""
    text = project.run("package", "get-schema", project.component(COMPONENT), code=0)
    schema = text[text.index("{\n") :]
    shelf = json.loads(schema)["resources"]["shop:index:Shelf"]
    assert shelf["isComponent"] is True
    assert sorted(shelf["inputProperties"]) == ["label", "width"]
    assert shelf["requiredInputs"] == ["width"]
    assert list(shelf["properties"]) == ["area"]


def test_a_component_that_cannot_start_is_explained(project: Project) -> None:
    """With its own traceback, instead of a wait for its port."""
    folder = project.component("raise LookupError('no shelves')\n")
    output = project.run("package", "get-schema", folder)
    assert re.search("exit(ed with)? (status|code) 1", output)
    assert "LookupError: no shelves" in output
