"""The examples, run by their READMEs: the program on each backend, two caches, and their machines.

Only this module types what is written there, and reads a stack's outputs from another stack.
"""

import json
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.engine.b2_project import b2, b2_cache
from tests.engine.examples import EXAMPLES, example, type_the_readme
from tests.engine.project import Project
from tests.engine.s3 import s3_client
from tests.engine.spaces_project import (
    spaces,
    spaces_cache,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.fakes.aws_server import ACCOUNT, AwsServer
from tests.fakes.b2_server import B2Server
from tests.fakes.spaces_service import SpacesService
from tests.pages import commands
from tools.engine import Engine
from tools.server import LocalServer

__all__ = ["b2", "spaces", "spaces_engine", "spaces_server", "spaces_venv"]

pytestmark = pytest.mark.slow

PROD = ("--stack", "prod")
OF_A_CACHE = {"nix-cache", "nix-cache-bucket", "nix-cache-nix-cache-info"}


def executed(
    project: Project, lines: Sequence[str], here: Mapping[str, str], answers: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Execute the example of a backend's page; yield each line with what it printed.

    Args:
        project: a project on what stands in for the service, its environment made already.
        lines: the page's commands.
        here: what is configured besides, or otherwise, once the stack is there.
        answers: by key, what is given to a command that asks for a secret.
    """
    shutil.copytree(EXAMPLES, project.folder / "examples")
    for line in lines:
        yield line, project.typed(line, answers.get(line.split()[-1], ""))
        if line.startswith("pulumi stack init"):
            for key, value in here.items():
                project.typed(shlex.join(["pulumi", "config", "set", "--path", key, value]))


def assert_is_up_as_written(project: Project) -> None:
    """There is nothing left to do, and the cache is the private one of the files."""
    project.pulumi("up", "--yes", "--expect-no-changes", *PROD)
    reported = json.loads(project.run("stack", "output", "--json", *PROD).stdout)
    assert reported["manifest"]["readers"] == ["nixreader"]
    assert reported["pushUrls"].keys() == {"nixbuilder", "ci-runner"}


def test_the_example_of_the_page_on_spaces_deploys_a_cache(
    tmp_path: Path, spaces_engine: Engine, spaces: SpacesService, spaces_venv: Path
) -> None:
    """Of an account in which nothing is, to a cache that is up."""
    project = spaces_cache(tmp_path / "project", spaces_engine, spaces, spaces_venv)
    given = dict(spaces.provider_config)
    answers = {
        key: given.pop(key) for key in ("digitalocean:token", "digitalocean:spacesSecretKey")
    }
    id_key = "digitalocean:spacesAccessId"

    lines = commands("docs/backends/spaces.md", "Example")
    for line, _ in executed(project, lines, given, answers):
        if id_key in line:  # the page's value belongs to no account
            project.typed(f"pulumi config set {id_key} {given[id_key]}")

    assert_is_up_as_written(project)


def test_the_example_of_the_page_on_b2_deploys_a_cache(
    tmp_path: Path, engine: Engine, b2: B2Server
) -> None:
    """Of an account in which nothing is, to a cache that is up."""
    project = b2_cache(tmp_path / "project", engine, b2)
    project.environment = {}
    key_id = b2.service.key_id

    lines = commands("docs/backends/b2.md", "Example")
    answers = {"b2:applicationKey": b2.service.key}
    for line, _ in executed(project, lines, {"b2:realm": b2.url}, answers):
        if "b2:applicationKeyId" in line:  # the page's value belongs to no account
            project.typed(f"pulumi config set b2:applicationKeyId {key_id}")

    assert_is_up_as_written(project)


@pytest.mark.aws
def test_the_example_of_the_page_on_aws_previews_a_cache(
    aws_project: Project, aws_server: AwsServer
) -> None:
    """Of an account in which nothing is, to a preview: what watches it is not to be had here."""
    here = {**aws_server.config(), "nix-cache:aws.accountId": ACCOUNT}
    typed = executed(aws_project, commands("docs/backends/aws.md", "Example"), here, {})
    printed = next(printed for line, printed in typed if line == "pulumi preview")

    assert re.search(r"\+ \d+ to create", printed)
    for name in (*OF_A_CACHE, "nix-cache-distribution", "nix-cache-ops-team", "nix-cache-budget"):
        assert re.search(rf" {name} +create", printed), printed


@pytest.fixture
def caches(tmp_path: Path, engine: Engine, server: LocalServer) -> Iterator[Project]:
    """Provide the stack of two caches, up, as its README describes, on a server of the tests."""
    project = example("two-caches", tmp_path, engine)
    root = server.connection()
    here = {
        "https://minio.example.org": server.url,
        "minioServer minio.example.org": f"minioServer {root.server}",
        "minioSsl true": "minioSsl false",
        "minioUser admin": f"minioUser {root.user}",
        "pulumi stack init dev": "pulumi stack init dev; pulumi config set protect false",
    }
    type_the_readme(project, "two-caches", here, root.password)
    yield project
    project.pulumi("destroy", "--yes", "--stack", "dev")


def test_two_caches_are_handed_to_another_stack(
    caches: Project, tmp_path: Path, engine: Engine, server: LocalServer
) -> None:
    """Its machines get both, and a credential that reads the private one and does no more."""
    caches.pulumi("up", "--yes", "--stack", "dev", "--expect-no-changes")
    machines = example("machines", tmp_path, engine)

    user_data = type_the_readme(machines, "machines", {})

    reported = json.loads(machines.run("stack", "output", "--json", "--stack", "dev").stdout)
    made = json.loads(caches.run("stack", "output", "--json", "--stack", "dev").stdout)["caches"]
    assert reported["userData"] == "[secret]"
    assert reported["substituters"] == [made["public"]["readUrl"], made["team"]["readUrl"]]
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
