"""A cache on a real SeaweedFS, for the tests of the backend ``s3``."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from tests.engine.environments import program_environment
from tests.engine.project import Project
from tools.engine import Engine
from tools.seaweedfs import SeaweedServer, provide_program

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

BUCKET = "team-cache"


@contextlib.contextmanager
def running_seaweedfs(folder: Path) -> Iterator[SeaweedServer]:
    """Provide a server with an administrator and nothing in it."""
    server = SeaweedServer(folder, provide_program())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def s3_cache(folder: Path, engine: Engine, server: SeaweedServer, **settings: Any) -> Project:
    """Return a cache on the server, not up yet, of a development stack."""
    made = Project.create(folder, engine, program_environment("s3"))
    made.environment |= {
        "AWS_ACCESS_KEY_ID": server.key_pair[0],
        "AWS_SECRET_ACCESS_KEY": server.key_pair[1],
    }
    made.set(
        domain="cache.example.org",
        backend="s3",
        bucket=BUCKET,
        protect=False,
        s3={"endpoint": server.url, "iamEndpoint": server.url},
    )
    made.set(**settings)
    return made


def users(server: SeaweedServer) -> set[str]:
    """Return the names of the users that the server has beside its administrator."""
    found = {user["UserName"] for user in _iam(server).list_users()["Users"]}
    return found - {"administrator"}


def key_ids(server: SeaweedServer) -> set[str]:
    """Return the ids of the key pairs of these users."""
    return {
        pair["AccessKeyId"]
        for user in users(server)
        for pair in _iam(server).list_access_keys(UserName=user)["AccessKeyMetadata"]
    }


def _iam(server: SeaweedServer) -> "IAMClient":
    return boto3.client(
        "iam",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=server.key_pair[0],
        aws_secret_access_key=server.key_pair[1],
    )
