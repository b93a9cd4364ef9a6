"""Backblaze B2: what a change of the configuration makes of a cache, and what protection keeps.

Only this module shows the plans of changes on B2, and that a run without changes writes nothing
there. What is created and removed is shown in `test_each_backend.py`, how each resource is set in
`tests/unit/backends/test_b2_resources.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.b2_project import BUCKET, b2_cache, running_service
from tests.engine.project import RETOLD, STACK, Project
from tests.engine.shared import SharedStack
from tests.fakes.b2_server import B2Server
from tests.pages import commands
from tools.engine import Engine

pytestmark = pytest.mark.slow

CHANGING = {
    "b2_create_bucket",
    "b2_update_bucket",
    "b2_create_key",
    "b2_delete_key",
    "b2_delete_file_version",
    "upload",
}
"""Requests after which something is different."""


@pytest.fixture(scope="module")
def b2() -> Iterator[B2Server]:
    """One service for all tests."""
    with running_service() as server:
        yield server


@pytest.fixture(scope="module")
def stack(module_folder: Path, engine: Engine, b2: B2Server) -> SharedStack:
    """Provide a public cache for all tests."""
    return SharedStack(b2_cache(module_folder / "project", engine, b2))


@pytest.fixture
def cache(stack: SharedStack) -> Iterator[Project]:
    """Provide the cache, up and public."""
    with stack.lent() as project:
        yield project


def test_a_refreshed_up_without_changes_writes_nothing(b2: B2Server, cache: Project) -> None:
    """The service is only read."""
    outputs = cache.outputs(secrets=True)
    b2.requests.clear()

    cache.up("--refresh", "--expect-no-changes")

    assert b2.requests
    assert not CHANGING & set(b2.requests)
    assert cache.outputs(secrets=True) == outputs


def test_a_public_cache_becomes_a_private_one_and_back(b2: B2Server, cache: Project) -> None:
    """In place: the bucket, its objects and the writer's key stay."""
    bucket_id = b2.service.bucket(BUCKET).bucket_id
    b2.service.put(BUCKET, "nar/x.nar.zst", b"content")
    writer = b2.service.keys()["nixbuilder"]

    cache.set(public=False)
    assert cache.planned() == {
        "nix-cache-bucket": "update",
        "nix-cache-nixreader": "create",
        "nix-cache-index.html": "delete",
        "nix-cache-nix-cache.json": "delete",
    }
    cache.up()
    assert b2.service.bucket(BUCKET).bucket_type == "allPrivate"
    assert set(b2.service.texts(BUCKET)) == {"nix-cache-info", "nar/x.nar.zst"}
    assert b2.service.keys()["nixreader"]["capabilities"] == ["readFiles"]

    cache.set(public=True)
    cache.up()
    bucket = b2.service.bucket(BUCKET)
    assert (bucket.bucket_id, bucket.bucket_type) == (bucket_id, "allPublic")
    assert b2.service.keys() == {"nixbuilder": writer}
    assert "nar/x.nar.zst" in b2.service.texts(BUCKET)


def test_a_writer_comes_and_goes_alone(b2: B2Server, cache: Project) -> None:
    """Their key with them; no other key is touched."""
    first = b2.service.keys()

    cache.set(writers=["nixbuilder", "ci-runner"])
    assert cache.planned() == {
        "nix-cache-ci-runner": "create",
        "nix-cache-ci-runner-key-1": "create",
        **RETOLD,
    }
    cache.up()
    assert b2.service.keys().items() > first.items()
    assert cache.outputs(secrets=True)["credentials"]["ci-runner"]["accessKeyId"]

    cache.set(writers=["nixbuilder"])
    cache.up()
    assert b2.service.keys() == first


def test_a_credential_is_replaced_on_demand(b2: B2Server, cache: Project) -> None:
    """As the page describes: its own resource is named, and nothing else changes."""
    cache.set(writers=["nixbuilder", "ci-runner"])
    cache.up()
    before = cache.outputs(secrets=True)

    cache.pulumi("stack", "select", STACK)
    (line,) = commands("docs/backends/b2.md", "Replace one credential")
    cache.typed(line)
    after = cache.outputs(secrets=True)
    keys = b2.service.keys()
    assert after["credentials"]["nixbuilder"] == {
        "accessKeyId": keys["nixbuilder"]["applicationKeyId"],
        "secretAccessKey": keys["nixbuilder"]["applicationKey"],
    }
    assert before["credentials"]["nixbuilder"] != after["credentials"]["nixbuilder"]
    assert before["credentials"]["ci-runner"] == after["credentials"]["ci-runner"]
    assert before["signingKeys"] == after["signingKeys"]
    assert len(keys) == 2


@pytest.fixture
def guarded(tmp_path: Path, engine: Engine, b2: B2Server) -> Project:
    """Another cache, protected and not up yet."""
    return b2_cache(tmp_path / "project", engine, b2, bucket="guarded-cache", protect=True)


def test_a_bucket_with_objects_goes_only_when_it_is_not_protected(
    b2: B2Server, guarded: Project
) -> None:
    """The engine's own protection first; then B2's, for who takes only that away."""
    bucket = "guarded-cache"
    guarded.up()
    for content in (b"1", b"2"):
        b2.service.put(bucket, "nar/x.nar.zst", content)
    b2.service.begin_large_file(bucket, "nar/y.nar.zst")

    refused = guarded.run("destroy", "--yes", "--stack", STACK)
    assert refused.exit_code != 0
    assert "protect" in refused.output
    guarded.pulumi("state", "unprotect", "--all", "--yes", "--stack", STACK)
    refused = guarded.run("destroy", "--yes", "--stack", STACK)
    assert "the bucket has objects, so it is not deleted: set nix-cache:protect" in refused.output
    assert b2.service.texts(bucket)["nar/x.nar.zst"] == "2"

    guarded.set(protect=False)
    guarded.up("--refresh")
    guarded.destroy()
    assert bucket not in b2.service.bucket_name_to_bucket
