"""What the README tells people to type, typed.

Only this module runs all commands of its first part in a new clone, and those for production on
MinIO. Other backends are in `test_examples.py`; taking over and recovery have modules of their own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.formats import signing
from tests.engine.project import STACK, Project
from tests.engine.readme import blocks, commands
from tools.bootstrap import ROOT
from tools.server import LocalServer

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """Provide the files of this repository in a new folder, as `git clone` would leave them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    folder = tmp_path / "clone"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    yield folder
    LocalServer(folder / ".dev" / "minio").stop()


def test_the_commands_in_order_make_a_cache_and_remove_it(clone: Path, tmp_path: Path) -> None:
    """Every block that is marked as shell, but for the tests within the tests."""
    (tmp_path / "home").mkdir()
    script = "\n".join(blocks("sh")).replace("make test ", "true make test ")
    config_file = clone / "Pulumi.dev.yaml"
    # A developer's own `make up` may have put its salt there.
    config = re.sub("^encryptionsalt: .*\n", "", config_file.read_text(), flags=re.MULTILINE)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PULUMI_", "AWS_"))},
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "HOME": str(tmp_path / "home"),
        "PYTHON": sys.executable,
    }

    done = subprocess.run(
        ["sh", "-eu", "-c", f"{script}\nmake down"],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "The cache serves" in done.stdout
    assert '"nixbuilder": "s3://nix-cache?profile=nixbuilder&' in done.stdout
    assert config_file.read_text() == config
    assert not (clone / ".dev" / "minio").exists()
    assert not (tmp_path / "home" / ".pulumi").exists()


def test_production_begins_as_the_readme_tells(project: Project, server: LocalServer) -> None:
    """Its file, with the server's address written in: private, two writers, protected."""
    root = server.connection()
    written = (ROOT / "Pulumi.prod.yaml").read_text()
    here = {
        "minio.example.org:9000": root.server,
        '"true"': '"false"',
        "User: admin": f"User: {root.user}",
    }
    for meant, real in here.items():
        assert meant in written
        written = written.replace(meant, real)
    stack_file = project.folder / "Pulumi.prod.yaml"
    stack_file.write_text(written)
    for line in commands("In production: MinIO"):
        project.typed(line, root.password)
    assert root.password not in stack_file.read_text()

    stack = ("--stack", "prod")
    project.pulumi("up", "--yes", "--expect-no-changes", *stack)
    outputs = json.loads(project.run("stack", "output", "--json", *stack).stdout)
    assert outputs["manifest"]["public"] is False
    names = [key.partition(":")[0] for key in outputs["publicKeys"]]
    assert names == [
        "cache.example.org-nixbuilder-1",
        "cache.example.org-ci-runner-1",
    ]
    assert "protect" in project.run("destroy", "--yes", *stack).output
    assert json.loads(project.run("stack", "output", "--json", *stack).stdout) == outputs


def test_a_key_is_brought_in_as_the_readme_tells(project: Project) -> None:
    """It is in the state under its own name, and in clear nowhere."""
    key = signing.generate("of-my-own-1")
    (project.folder / "key.sec").write_text(key.secret_text + "\n")
    project.pulumi("stack", "select", STACK)
    for line in commands("Rotate a key"):
        project.typed(line)

    project.up()
    assert project.outputs()["publicKeys"] == [key.public_text]
    assert key.secret_text not in project.stack_file.read_text() + project.state_file.read_text()
