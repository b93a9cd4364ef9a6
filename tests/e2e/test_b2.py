"""The real Nix by the URLs and credentials of a cache on Backblaze B2, on a local S3 server.

B2's simulator has no S3 side. A MinIO has the stack's objects and keys in its place, each with what
its capabilities stand for, and is named as the endpoint that clients use.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from nix_cache.backends.minio.connection import Connection
from tests.e2e import store_paths
from tests.e2e.cache import READER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import assert_accepted
from tests.engine.b2_project import BUCKET, b2_cache, running_service
from tests.engine.conftest import running_server
from tests.fakes.b2_server import B2Server
from tools.engine import Engine

ACTIONS = {"readFiles": "s3:GetObject", "writeFiles": "s3:PutObject"}
"""What Backblaze says that a capability is for, on all of the key's bucket."""


@pytest.fixture
def private_b2_cache(tmp_path: Path, engine: Engine, store_dir: str) -> Iterator[Cache]:
    """Provide a private cache that is up on B2, and what S3 clients see of it."""
    with running_service() as b2, running_server(tmp_path / "minio", engine) as server:
        project = b2_cache(tmp_path / "project", engine, b2, public=False, storeDir=store_dir)
        project.set(b2={"region": "us-west-004", "endpoint": server.url})
        cache = Cache.up(project, server)
        carry_over(b2, cache, server.connection(), tmp_path)
        yield cache


def carry_over(b2: B2Server, cache: Cache, root: Connection, folder: Path) -> None:
    """Give the S3 server the bucket, its objects and the keys."""
    cache.root.create_bucket(Bucket=BUCKET)
    for name, text in b2.service.texts(BUCKET).items():
        cache.root.put_object(Bucket=BUCKET, Key=name, Body=text.encode())
    admin = MinioAdmin(
        endpoint=root.server, credentials=StaticProvider(root.user, root.password), secure=False
    )
    for name, key in b2.service.keys().items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(policy([ACTIONS[able] for able in key["capabilities"]])))
        admin.policy_add(name, str(file))
        admin.user_add(key["applicationKeyId"], key["applicationKey"])
        admin.policy_set(name, user=key["applicationKeyId"])


def policy(actions: list[str]) -> dict[str, Any]:
    """Return a policy for the whole bucket."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_a_writer_pushes_and_a_reader_pulls(
    private_b2_cache: Cache, nix: Nix, new_nix: NewNix
) -> None:
    """Each with the profile, the endpoint and the region of the stack's outputs."""
    cache = private_b2_cache
    cache.let_write(nix)
    path = store_paths.build(nix, 2).root
    pushed = cache.push(nix, path)
    assert pushed.exit_code == 0, pushed.output

    reader = new_nix()
    reader.configure(cache.outputs["nixConf"])
    assert "region=us-west-004" in cache.read_url
    cache.let_read(reader, READER)
    assert_accepted(reader, path)
