"""Each backend that runs without further builds, as tests that are the same for all of them use it.

A new backend gets a function here and a line in `OPENERS`; every test of `test_each_backend.py`
then runs on it.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from nix_cache.backends.minio.connection import Connection, NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine import b2_project, s3_project, spaces_project
from tests.engine.conftest import running_server
from tests.engine.environments import program_environment
from tests.engine.ports import closed_port
from tests.engine.project import Project, public_cache
from tests.engine.s3 import s3_client
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.fakes.spaces_plugin.install import install
from tests.fakes.spaces_service import TOKEN, SpacesService
from tools.engine import Engine

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INFO = "nix-cache-info"
BUCKET = "team-cache"


@dataclass(frozen=True)
class BackendCase:
    """A stack on one backend, not up yet, and what a test does to the service past the stack.

    Attributes:
        project: the stack.
        account_secrets: by name, what opens the account.
        read: the text of an object in a bucket; None where there is none.
        write: writes an object into a bucket, as the account's owner does.
        delete: deletes an object from a bucket, as the account's owner does.
        make_bucket: creates a bucket that another owner has.
        remaining: the names of buckets, users or keys, and policies that the service has.
        has_key: whether the service has a key pair with an id.
        outage: the service does not answer meanwhile.
    """

    project: Project
    account_secrets: dict[str, str]
    read: Callable[[str, str], str | None]
    write: Callable[[str, str, bytes], object]
    delete: Callable[[str, str], object]
    make_bucket: Callable[[str], object]
    remaining: Callable[[], set[str]]
    has_key: Callable[[str], bool]
    outage: Callable[[], AbstractContextManager[object]]


@contextlib.contextmanager
def on_minio(folder: Path, engine: Engine) -> Iterator[BackendCase]:
    """Provide a separate MinIO server, reached through a proxy that can be down."""
    with running_server(folder / "minio", engine) as server:
        connection = server.connection()
        admin, root = MinioServer(connection), _root(connection)

        def remaining() -> set[str]:
            users = {
                name for name in ("nixbuilder", "team-reader") if admin.has(NameKind.USER, name)
            }
            policies = (
                {"team-cache-write"} if admin.has(NameKind.POLICY, "team-cache-write") else set()
            )
            return _buckets(root) | users | policies

        with FaultyProxy(connection.server) as proxy:
            file = folder / "proxied.json"
            known = json.loads((folder / "minio" / "connection.json").read_text())
            file.write_text(json.dumps({**known, "minioServer": proxy.address}))
            project = public_cache(folder / "project", engine, folder / "minio", bucket=BUCKET)
            project.set(minio={"connectionFile": str(file)}, expireAfterDays=90)
            project.set(readers=["team-reader"])
            yield BackendCase(
                project,
                {"root password": connection.password},
                functools.partial(_read, root),
                functools.partial(_write, root),
                functools.partial(_delete, root),
                lambda name: root.create_bucket(Bucket=name),
                remaining,
                functools.partial(admin.has, NameKind.USER),
                functools.partial(_down, proxy),
            )


@contextlib.contextmanager
def on_spaces(folder: Path, engine: Engine) -> Iterator[BackendCase]:
    """Provide the local service in the place of DigitalOcean."""
    install(engine)
    with (
        spaces_project.running_server_of_spaces(folder / "spaces", engine) as server,
        SpacesService(server.connection()) as service,
    ):
        root = _root(service.connection)
        project = spaces_project.spaces_cache(
            *(folder / "project", engine, service, program_environment("spaces")),
            bucket=BUCKET,
            public=True,
            expireAfterDays=90,
        )
        for key in ("digitalocean:token", "digitalocean:spacesSecretKey"):
            project.set_config_secret(key, project.config.pop(key))

        def remaining() -> set[str]:
            return _buckets(root) | {key.name for key in service.keys.all()}

        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            endpoint = project.config["digitalocean:apiEndpoint"]
            with closed_port() as netloc:
                project.config["digitalocean:apiEndpoint"] = f"http://{netloc}"
                yield
            project.config["digitalocean:apiEndpoint"] = endpoint

        yield BackendCase(
            project,
            {"token": TOKEN, "secret key of the account": service.connection.password},
            functools.partial(_read, root),
            functools.partial(_write, root),
            functools.partial(_delete, root),
            lambda name: root.create_bucket(Bucket=name),
            remaining,
            lambda key: key in {one.access_key for one in service.keys.all()},
            outage,
        )


@contextlib.contextmanager
def on_b2(folder: Path, engine: Engine) -> Iterator[BackendCase]:
    """Provide the simulated Backblaze B2."""
    with b2_project.running_service() as server:
        service = server.service
        project = b2_project.b2_cache(folder / "project", engine, server, bucket=BUCKET)

        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            server.stop()
            yield
            server.start()

        yield BackendCase(
            project,
            {"application key": service.key},
            lambda bucket, name: service.texts(bucket).get(name),
            service.put,
            service.hide,
            service.make_bucket_past_the_stack,
            lambda: set(service.bucket_name_to_bucket) | set(service.keys()),
            lambda key: key in {one["applicationKeyId"] for one in service.keys().values()},
            outage,
        )


@contextlib.contextmanager
def on_s3(folder: Path, engine: Engine) -> Iterator[BackendCase]:
    """Provide a separate SeaweedFS server, with its IAM API."""
    with s3_project.running_seaweedfs(folder / "seaweedfs") as server:
        project = s3_project.s3_cache(folder / "project", engine, server, bucket=BUCKET)
        project.set(public=True, expireAfterDays=90, readers=["team-reader"])
        root = s3_client(server.url, *server.key_pair)

        @contextlib.contextmanager
        def outage() -> Iterator[None]:
            server.stop()
            yield
            server.start()

        yield BackendCase(
            project,
            {"secret key of the administrator": server.key_pair[1]},
            functools.partial(_read, root),
            functools.partial(_write, root),
            functools.partial(_delete, root),
            lambda name: root.create_bucket(Bucket=name),
            lambda: _buckets(root) | s3_project.users(server),
            lambda key: key in s3_project.key_ids(server),
            outage,
        )


OPENERS = {"minio": on_minio, "spaces": on_spaces, "b2": on_b2, "s3": on_s3}
"""By backend, what makes its case in a folder."""


@pytest.fixture(scope="module", params=OPENERS)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine: Engine
) -> Iterator[BackendCase]:
    """One stack for all tests of a backend, which come upon it in any order."""
    folder = tmp_path_factory.mktemp(request.param)
    with OPENERS[request.param](folder, engine) as opened:
        yield opened


def _root(connection: Connection) -> "S3Client":
    return s3_client(connection.url, connection.user, connection.password)


def _buckets(root: "S3Client") -> set[str]:
    return {bucket["Name"] for bucket in root.list_buckets()["Buckets"]}


def _read(root: "S3Client", bucket: str, key: str) -> str | None:
    try:
        return root.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except ClientError:
        return None


def _write(root: "S3Client", bucket: str, key: str, content: bytes) -> None:
    root.put_object(Bucket=bucket, Key=key, Body=content)


def _delete(root: "S3Client", bucket: str, key: str) -> None:
    root.delete_object(Bucket=bucket, Key=key)


@contextlib.contextmanager
def _down(proxy: FaultyProxy) -> Iterator[None]:
    proxy.fail(Fault.DOWN)
    yield
    proxy.heal()
