"""The examples, run: stacks of the program on each backend, two caches, and who uses them."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from dev.server import LocalServer
from tests.engine.aws_server import ACCOUNT, AwsServer
from tests.engine.b2_project import b2, b2_cache
from tests.engine.b2_server import B2Server
from tests.engine.project import Project
from tests.engine.readme import blocks
from tests.engine.s3 import s3_client
from tests.engine.spaces_project import (
    spaces,
    spaces_cache,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.engine.spaces_service import SpacesService
from toolchain.bootstrap import ROOT
from toolchain.engine import Engine

__all__ = ["b2", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

EXAMPLES = ROOT / "examples"
OF_A_CACHE = {"nix-cache", "nix-cache-bucket", "nix-cache-nix-cache-info"}
OF_TWO_WRITERS = {"nix-cache-nixbuilder-key-1", "nix-cache-ci-runner-key-1"} | {
    "nix-cache-ci-runner-key-2"
}


def as_written(project: Project, backend: str, **here: Any) -> dict[str, str]:
    """What a preview of a backend's example plans, some keys of it as they are in the tests."""
    written = yaml.safe_load((EXAMPLES / "stacks" / f"{backend}.yaml").read_text())["config"]
    project.config = {**project.config, **written, **here}
    return project.planned()


def test_the_stack_on_spaces_can_be_made(
    tmp_path: Path, spaces_engine: Engine, spaces: SpacesService, spaces_venv: Path
) -> None:
    """Of an account in which nothing is."""
    project = spaces_cache(tmp_path / "project", spaces_engine, spaces, spaces_venv)

    planned = as_written(project, "spaces", **spaces.provider_config)

    assert set(planned.values()) == {"create"}
    assert planned.keys() >= OF_A_CACHE | OF_TWO_WRITERS | {"nix-cache-nixreader"}


def test_the_stack_on_b2_can_be_made(tmp_path: Path, engine: Engine, b2: B2Server) -> None:
    """Of an account in which nothing is."""
    project = b2_cache(tmp_path / "project", engine, b2)
    here = {"b2:applicationKeyId": b2.service.key_id}

    planned = as_written(project, "b2", **here)

    assert set(planned.values()) == {"create"}
    assert planned.keys() >= OF_A_CACHE | OF_TWO_WRITERS | {"nix-cache-nixreader"}


def test_the_stack_on_aws_can_be_made(aws_project: Project, aws_server: AwsServer) -> None:
    """Of an account in which nothing is."""
    settings = yaml.safe_load((EXAMPLES / "stacks" / "aws.yaml").read_text())["config"]
    own = {**settings["nix-cache:aws"], "accountId": ACCOUNT}

    planned = as_written(aws_project, "aws", **aws_server.config(), **{"nix-cache:aws": own})

    assert set(planned.values()) == {"create"}
    assert planned.keys() >= OF_A_CACHE | {"nix-cache-distribution", "nix-cache-ops-team"}


def example(name: str, folder: Path, engine: Engine) -> Project:
    """An example's program in a folder of its own, with one place for all states of a test."""
    project = Project.create(folder / name, engine)
    for file in ("Pulumi.yaml", "__main__.py"):
        shutil.copy2(EXAMPLES / name / file, project.folder / file)
    states, passphrase = folder / "states", folder / "passphrase"
    states.mkdir(exist_ok=True)
    passphrase.write_text("one for all, as a reference reads the other stack's secrets")
    project.environment |= {
        "PULUMI_BACKEND_URL": states.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(passphrase),
    }
    return project


def type_the_readme(project: Project, here: Mapping[str, str], password: str = "") -> str:
    """Type what an example's README says, with what is different here; gives back the last answer.

    The environment is there already, made as `make` makes it.
    """
    text = (EXAMPLES / project.folder.name / "README.md").read_text()
    *making, last = [
        line for block in blocks("", text) for line in block.splitlines() if ".venv" not in line
    ]
    for meant, real in here.items():
        assert any(meant in line for line in making), meant
        making = [line.replace(meant, real) for line in making]
    for line in making:
        project.typed(line, password)
    return project.typed(last, password)


@pytest.fixture
def caches(tmp_path: Path, engine: Engine, server: LocalServer) -> Iterator[Project]:
    """The stack of two caches, up, as its README tells, on a server of the tests."""
    project = example("two-caches", tmp_path, engine)
    root = server.connection()
    here = {
        "https://minio.example.org": server.url,
        "minioServer minio.example.org": f"minioServer {root.server}",
        "minioSsl true": "minioSsl false",
        "minioUser admin": f"minioUser {root.user}",
        "pulumi stack init dev": "pulumi stack init dev; pulumi config set protect false",
    }
    type_the_readme(project, here, root.password)
    yield project
    project.pulumi("destroy", "--yes", "--stack", "dev")


def test_two_caches_are_handed_to_another_stack(
    caches: Project, tmp_path: Path, engine: Engine, server: LocalServer
) -> None:
    """Its machines get both, and a credential that reads the private one and does no more."""
    caches.pulumi("up", "--yes", "--stack", "dev", "--expect-no-changes")
    machines = example("machines", tmp_path, engine)

    user_data = type_the_readme(machines, {})

    told = json.loads(machines.run("stack", "output", "--json", "--stack", "dev").stdout)
    made = json.loads(caches.run("stack", "output", "--json", "--stack", "dev").stdout)["caches"]
    assert told["userData"] == "[secret]"
    assert told["substituters"] == [made["public"]["readUrl"], made["team"]["readUrl"]]
    head, _, rest = user_data.partition("\n")
    assert head == "#cloud-config"
    nix_conf, credentials = (file["content"] for file in json.loads(rest)["write_files"])
    for cache in made.values():
        assert cache["readUrl"] in nix_conf
        assert set(cache["publicKeys"]) <= set(nix_conf.split())
    assert len({key for cache in made.values() for key in cache["publicKeys"]}) == 2

    pair = dict(line.split(" = ") for line in credentials.splitlines() if " = " in line)
    profile = credentials[1 : credentials.index("]")]
    assert f"profile={profile}&" in made["team"]["readUrl"]
    machine = s3_client(server.url, pair["aws_access_key_id"], pair["aws_secret_access_key"])
    machine.get_object(Bucket="team-cache", Key="nix-cache-info")
    with pytest.raises(ClientError, match="AccessDenied"):
        machine.put_object(Bucket="team-cache", Key="log/x", Body=b"x")
    state = (tmp_path / "states" / ".pulumi" / "stacks" / "nix-machines" / "dev.json").read_text()
    assert made["team"]["readUrl"].partition("?")[0] in state
    assert pair["aws_secret_access_key"] not in state
