"""Backblaze B2: changes outside, reported by `nix-cache stack drift` and put back by `up`.

Only this module shows the command where the engine's refresh takes the place of our own checks,
and repairs of a bucket's settings, of a key and of the bucket on B2. What a refresh sees of each
resource is shown in `tests/unit/backends/test_b2_resources.py`.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.b2_project import BUCKET, b2_cache, running_service
from tests.engine.clone import assert_plain_error
from tests.engine.drift_command import drifted, on_stack
from tests.engine.project import RETOLD, STACK, Project
from tests.engine.shared import SharedStack
from tests.fakes.b2_server import B2Server
from tools.engine import Engine

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


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
    """Provide the cache, up and as it was declared."""
    with stack.lent() as project:
        yield project


def seen(b2: B2Server) -> dict[str, Any]:
    """Return the bucket's settings and its objects."""
    bucket = b2.service.bucket(BUCKET)
    return {
        "type": bucket.bucket_type,
        "rules": bucket.lifecycle_rules,
        "info": bucket.bucket_info,
        "encryption": bucket.default_server_side_encryption.mode,
        "texts": b2.service.texts(BUCKET),
    }


def delete_key(b2: B2Server) -> str:
    """Delete the writer's key; returns its id."""
    key_id = str(b2.service.keys()["nixbuilder"]["applicationKeyId"])
    del b2.service.key_id_to_key[key_id]
    b2.service.all_application_keys.clear()
    return key_id


def test_changes_are_reported_without_a_write_and_then_put_back(
    b2: B2Server, cache: Project
) -> None:
    """Settings of the bucket, an object that was replaced, one that was hidden, a deleted key."""
    result = on_stack(cache, "drift", "--json")
    found_nothing = {"drift": [], "checkedBy": {"nix-cache": "refresh"}}
    assert (result.exit_code, json.loads(result.stdout)) == (0, found_nothing), result.output
    assert "because nix-cache cannot ask Backblaze B2 itself" in result.output
    before = seen(b2)
    bucket = b2.service.bucket(BUCKET)
    bucket.bucket_type, bucket.lifecycle_rules, bucket.bucket_info = "allPrivate", [], {}
    b2.service.put(BUCKET, "nix-cache-info", b"StoreDir: /elsewhere\n")
    b2.service.hide(BUCKET, "nix-cache.json")
    deleted = delete_key(b2)
    state, damaged = cache.state_file.read_bytes(), seen(b2)

    result = on_stack(cache, "drift", "--json")

    assert result.exit_code == 2, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)["drift"]}
    assert set(found) == {
        f"the bucket {BUCKET} was changed: lifecycle_rules, mark, type",
        "nix-cache-info in the bucket was changed: content_type, text",
        "nix-cache.json in the bucket was deleted",
        "the key of nix-cache-nixbuilder was deleted",
    }
    of_bucket = found[f"the bucket {BUCKET} was changed: lifecycle_rules, mark, type"]
    assert "type: allPublic" in of_bucket["was"]
    assert "type: allPrivate" in of_bucket["is"]
    assert of_bucket["fix"].startswith(f"`nix-cache stack repair --stack {STACK} --cwd ")
    assert of_bucket["fix"].endswith("` puts it back")
    assert (cache.state_file.read_bytes(), seen(b2)) == (state, damaged)

    cache.up("--refresh")

    assert seen(b2) == before
    key = b2.service.keys()["nixbuilder"]
    assert key["applicationKeyId"] != deleted
    credential = cache.outputs(secrets=True)["credentials"]["nixbuilder"]
    assert credential["secretAccessKey"] == key["applicationKey"]
    assert cache.planned() == {}


def test_a_deleted_bucket_is_created_again(b2: B2Server, cache: Project) -> None:
    """With a new key, as the old one was for the bucket that is gone."""
    texts = b2.service.texts(BUCKET)
    gone = b2.service.bucket_name_to_bucket.pop(BUCKET)
    del b2.service.bucket_id_to_bucket[gone.bucket_id]

    cache.pulumi("refresh", "--yes", "--stack", STACK)
    assert cache.planned() == {
        "nix-cache-bucket": "create",
        "nix-cache-nixbuilder": "replace",
        "nix-cache-nix-cache-info": "create",
        **dict.fromkeys(RETOLD, "create"),
    }
    cache.up()

    assert b2.service.texts(BUCKET) == texts
    key = b2.service.keys()["nixbuilder"]
    assert key["bucketIds"] == [b2.service.bucket(BUCKET).bucket_id]
    assert cache.planned() == {}


def test_a_service_that_refuses_the_key_is_an_error(
    cache: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no drift."""
    state = cache.state_file.read_bytes()
    monkeypatch.setitem(cache.environment, "B2_APPLICATION_KEY", "not-the-key")

    result = on_stack(cache, "drift", "--json")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert_plain_error(result.output)
    assert cache.state_file.read_bytes() == state


OWN_RESOURCE = """
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Unreadable(ResourceProvider):
    def create(self, props):
        return CreateResult("own", props)

    def read(self, id_, props):
        raise RuntimeError("this resource was looked at")


class Own(Resource):
    def __init__(self):
        super().__init__(Unreadable(), "own", {})


Own()
"""


def test_nothing_but_caches_is_looked_at(tmp_path: Path, engine: Engine, b2: B2Server) -> None:
    """What else the program has can change, or fail to be read, without being drift of a cache."""
    project = b2_cache(tmp_path / "project", engine, b2, bucket="beside-others")
    with (project.folder / "__main__.py").open("a") as file:
        file.write(OWN_RESOURCE)
    project.up()
    refreshed = project.run("refresh", "--preview-only", "--stack", STACK)
    assert "this resource was looked at" in refreshed.output

    assert drifted(project) == set()
    b2.service.bucket("beside-others").bucket_type = "allPrivate"
    assert drifted(project) == {"the bucket beside-others was changed: type"}
