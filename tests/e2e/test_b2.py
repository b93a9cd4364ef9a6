"""The real Nix by the URLs and credentials of a cache on Backblaze B2, on a local S3 server.

B2's simulator has no S3 side. A MinIO has the stack's objects and keys in its place, each with what
its capabilities stand for, and is named as the endpoint that clients use.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import store_paths
from tests.e2e.cache import READER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import assert_accepted
from tests.engine.b2_project import b2_cache, running_service
from tests.engine.b2_s3_side import carry_over
from tests.engine.conftest import running_server
from tools.engine import Engine


@pytest.fixture
def private_b2_cache(tmp_path: Path, engine: Engine, store_dir: str) -> Iterator[Cache]:
    """Provide a private cache that is up on B2, and what S3 clients see of it."""
    with running_service() as b2, running_server(tmp_path / "minio", engine) as server:
        project = b2_cache(tmp_path / "project", engine, b2, public=False, storeDir=store_dir)
        project.set(b2={"region": "us-west-004", "endpoint": server.url})
        cache = Cache.up(project, server)
        carry_over(b2.service, server)
        yield cache


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
