"""The commands of the README and of the first pages, executed.

Only this module runs `make up` and what follows in a new clone, and deploys to production on MinIO.
Other backends are in `test_examples.py`; adoption and recovery have their own modules.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from nix_cache.formats import signing
from tests.engine.clone import copied, shell
from tests.engine.project import STACK, Project
from tests.pages import README, blocks, commands
from tools.bootstrap import ROOT
from tools.server import LocalServer

pytestmark = pytest.mark.slow


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """Provide the files of this repository in a new folder."""
    folder = copied(tmp_path / "clone")
    yield folder
    LocalServer(folder / ".dev" / "minio").stop()


def test_the_commands_in_order_make_a_cache_and_remove_it(clone: Path, tmp_path: Path) -> None:
    """From the README's two commands, but for the tests within the tests, to `make down`."""
    (tmp_path / "home").mkdir()
    lines = [
        *commands(README, "nix-cache"),
        *commands("docs/getting-started.md", "Create the cache"),
        *commands("docs/getting-started.md", "Look at the stack"),
        *commands("docs/operations/drift.md", "In a clone"),
        *commands("docs/getting-started.md", "Remove the cache"),
    ]
    script = "\n".join(lines).replace("make test ", "true make test ")
    config_file = clone / "Pulumi.dev.yaml"
    config = config_file.read_text()

    printed = shell(clone, script, tmp_path / "home")

    assert "The cache is up." in printed
    assert '"nixbuilder": "s3://nix-cache?profile=nixbuilder&' in printed
    assert config_file.read_text() == config
    assert not (clone / ".dev" / "minio").exists()
    assert not (tmp_path / "home" / ".pulumi").exists()


def test_the_production_stack_of_the_readme_is_deployed(
    project: Project, server: LocalServer
) -> None:
    """Its file, with the server's address written in: private, two writers, protected."""
    root = server.connection()
    [block] = blocks(README, language="yaml")
    written = block.content
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
    for line in commands(README, "Deploy a production stack"):
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


def test_the_page_on_minio_and_the_repository_have_the_same_stack() -> None:
    """So the test above shows them too."""
    [readme], page = (
        blocks(README, language="yaml"),
        blocks("docs/backends/minio.md", title="Example"),
    )
    example = next(block for block in page if block.language == "yaml")

    assert example.content == readme.content
    stack = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())
    assert stack == yaml.safe_load(readme.content)
    assert commands("docs/backends/minio.md", "Example") == commands(
        README, "Deploy a production stack"
    )


def test_a_key_is_imported_as_its_page_describes(project: Project) -> None:
    """It is in the state under its own name, and in clear nowhere."""
    key = signing.generate("of-my-own-1")
    (project.folder / "key.sec").write_text(key.secret_text + "\n")
    project.pulumi("stack", "select", STACK)
    for line in commands("docs/guides/keys.md", "Import a key"):
        project.typed(line)

    project.up()
    assert project.outputs()["publicKeys"] == [key.public_text]
    assert key.secret_text not in project.stack_file.read_text() + project.state_file.read_text()
