"""Several caches on one server: side by side, or refused before they get in each other's way.

Only this module shows two caches of one program under the engine, and the end of a stack that was
refused. Which names two caches contest is shown in `tests/unit/backends/test_claimants.py`, and
what a name does that is taken on the server in `test_conflicts.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from nix_cache.backends.minio.connection import Connection, NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine.command import Result
from tests.engine.project import STACK, Project, public_cache
from tests.engine.s3 import s3_client
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.faults

PROGRAM = '''"""Caches as a file describes them, by name."""

import json
from pathlib import Path

import pulumi
from nix_cache import BinaryCache

described = json.loads(Path("caches.json").read_text())
caches = {name: BinaryCache(name, args) for name, args in described.items()}
pulumi.export("credentials", {name: cache.credentials for name, cache in caches.items()})
pulumi.export("publicKeys", {name: cache.public_keys for name, cache in caches.items()})
'''


def several_caches(
    folder: Path, engine: Engine, server: LocalServer, caches: dict[str, dict[str, Any]]
) -> Project:
    """Return a program of several caches, not up yet, set up by environment variables."""
    project = Project.create(folder, engine)
    connection = server.connection()
    (folder / "__main__.py").write_text(PROGRAM)
    described = {
        name: {
            "domain": "cache.example.org",
            "protect": False,
            **args,
            "minio": {"endpoint": server.url, **args.get("minio", {})},
        }
        for name, args in caches.items()
    }
    (folder / "caches.json").write_text(json.dumps(described))
    project.environment = {
        "MINIO_ENDPOINT": connection.server,
        "MINIO_USER": connection.user,
        "MINIO_PASSWORD": connection.password,
    }
    return project


def everything_on(server: LocalServer) -> dict[str, Any]:
    """Return the server's buckets, users and policies, in an order that does not vary."""
    connection = server.connection()
    root = s3_client(server.url, connection.user, connection.password)
    admin = MinioAdmin(
        endpoint=connection.server,
        credentials=StaticProvider(connection.user, connection.password),
        secure=False,
    )
    return {
        "buckets": sorted(bucket["Name"] for bucket in root.list_buckets()["Buckets"]),
        "users": in_order(json.loads(admin.user_list())),
        "policies": in_order(json.loads(admin.policy_list())),
    }


def in_order(value: Any) -> Any:
    """Return a document whose lists are sets, which MinIO writes in another order each time."""
    if isinstance(value, dict):
        return {key: in_order(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((in_order(item) for item in value), key=json.dumps)
    return value


@pytest.fixture(scope="module")
def two_in_one(
    module_folder: Path, engine: Engine, module_server: LocalServer
) -> dict[str, dict[str, dict[str, str]]]:
    """Provide the credentials of two caches of one program, whose writers have the same name."""
    caches: dict[str, dict[str, Any]] = {"first": {}, "second": {"bucket": "team-b"}}
    project = several_caches(module_folder / "two", engine, module_server, caches)
    project.up()
    project.up("--expect-no-changes")
    credentials: dict[str, dict[str, dict[str, str]]] = project.outputs(secrets=True)["credentials"]
    return credentials


def test_writers_of_the_same_name_are_separate_users(
    two_in_one: dict[str, dict[str, dict[str, str]]],
) -> None:
    """The recipe's plain name for the recipe's bucket, the bucket's name before all others."""
    users = {
        cache: {name: credential["accessKeyId"] for name, credential in credentials.items()}
        for cache, credentials in two_in_one.items()
    }

    assert users == {
        "first": {"nixbuilder": "nixbuilder", "nixreader": "nixreader"},
        "second": {"nixbuilder": "team-b-nixbuilder", "nixreader": "team-b-nixreader"},
    }


@pytest.mark.parametrize(
    ("cache", "own", "other"), [("first", "nix-cache", "team-b"), ("second", "team-b", "nix-cache")]
)
def test_each_writer_writes_their_own_cache_alone(
    two_in_one: dict[str, dict[str, dict[str, str]]],
    module_server: LocalServer,
    cache: str,
    own: str,
    other: str,
) -> None:
    """And reads no other."""
    credential = two_in_one[cache]["nixbuilder"]
    client = s3_client(module_server.url, credential["accessKeyId"], credential["secretAccessKey"])

    client.put_object(Bucket=own, Key="nar/mine.nar", Body=b"mine")

    assert client.get_object(Bucket=own, Key="nar/mine.nar")["Body"].read() == b"mine"
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object(Bucket=other, Key="nar/mine.nar", Body=b"mine")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.get_object(Bucket=other, Key="nix-cache-info")


def test_two_caches_of_one_program_that_claim_one_name_are_refused(
    tmp_path: Path, engine: Engine, module_server: LocalServer
) -> None:
    """In the preview, by name, and with the way out. The second would take the first one's over."""
    before = everything_on(module_server)
    prefix = {"minio": {"userPrefix": "team-"}}
    caches = {"first": {**prefix, "bucket": "team-a"}, "second": {**prefix, "bucket": "team-c"}}
    project = several_caches(tmp_path / "project", engine, module_server, caches)

    refusal = project.run("up", "--yes", "--stack", STACK)

    assert_refused(refusal, ("user", "team-nixbuilder"), ("user", "team-nixreader"))
    assert "'first' and 'second'" in refusal.output
    assert everything_on(module_server) == before


def test_what_a_refused_stack_leaves_behind_is_destroyed_without_harm(
    tmp_path: Path, engine: Engine, server: LocalServer, project: Project, connection: Connection
) -> None:
    """The first stack's bucket and user outlive the second stack's end."""
    project.up()
    second = public_cache(tmp_path / "second", engine, tmp_path / "minio")
    assert second.run("up", "--yes", "--skip-preview", "--stack", STACK).exit_code != 0
    before = everything_on(server)

    second.destroy()

    assert everything_on(server) == before
    assert MinioServer(connection).has(NameKind.USER, "nixbuilder")
    project.up("--expect-no-changes")


def assert_refused(refusal: Result, *contested: tuple[str, str]) -> None:
    """One clear error that names all that is contested, and no traceback."""
    assert refusal.exit_code != 0
    for kind, name in contested:
        assert f"the {kind} '{name}'" in refusal.output
    assert "choose another" in refusal.output
    assert "Nothing was changed" in refusal.output
    assert "Traceback" not in refusal.output
