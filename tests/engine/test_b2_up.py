"""Backblaze B2: bringing a cache up, keeping it as it is, changing it, removing it."""

import pytest

from tests.engine.b2_project import BUCKET
from tests.engine.b2_project import b2 as b2
from tests.engine.b2_project import cache as cache
from tests.engine.b2_server import B2Server
from tests.engine.project import RETOLD, STACK, Project
from tests.engine.readme import commands

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


def test_up_makes_a_cache_once_and_destroy_leaves_nothing(b2: B2Server, cache: Project) -> None:
    """What readers need is there, a second `up` and a refresh find nothing to do."""
    cache.up()
    outputs = cache.outputs(secrets=True)
    bucket = b2.service.bucket(BUCKET)

    assert (bucket.bucket_type, bucket.default_server_side_encryption.mode.value) == (
        "allPublic",
        "SSE-B2",
    )
    texts = b2.service.texts(BUCKET)
    assert set(texts) == {"nix-cache-info", "index.html", "nix-cache.json"}
    assert texts["nix-cache-info"] == "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    key = b2.service.keys()["nixbuilder"]
    assert key["capabilities"] == ["readFiles", "writeFiles"]
    assert outputs["credentials"]["nixbuilder"] == {
        "accessKeyId": key["applicationKeyId"],
        "secretAccessKey": key["applicationKey"],
    }

    b2.requests.clear()
    assert cache.planned() == {}
    cache.up("--refresh", "--expect-no-changes")
    assert not CHANGING & set(b2.requests)
    assert cache.outputs(secrets=True) == outputs

    cache.destroy()
    assert b2.service.bucket_name_to_bucket == {}
    assert b2.service.keys() == {}


def test_a_public_cache_becomes_a_private_one_and_back(b2: B2Server, cache: Project) -> None:
    """In place: the bucket, its objects and the writer's key stay."""
    cache.up()
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
    """Their key with them; nobody else's is touched."""
    cache.up()
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
    """As the README tells: its own resource is named, and nothing else changes."""
    cache.set(writers=["nixbuilder", "ci-runner"])
    cache.up()
    before = cache.outputs(secrets=True)

    cache.pulumi("stack", "select", STACK)
    (line,) = commands("On Backblaze B2", holding="--replace")
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


def test_a_bucket_with_objects_goes_only_when_it_is_not_protected(
    b2: B2Server, cache: Project
) -> None:
    """The engine's own protection first; then B2's, for who takes only that away."""
    cache.set(protect=True)
    cache.up()
    for content in (b"1", b"2"):
        b2.service.put(BUCKET, "nar/x.nar.zst", content)
    b2.service.begin_large_file(BUCKET, "nar/y.nar.zst")

    refused = cache.run("destroy", "--yes", "--stack", STACK)
    assert refused.exit_code != 0
    assert "protect" in refused.output
    cache.pulumi("state", "unprotect", "--all", "--yes", "--stack", STACK)
    refused = cache.run("destroy", "--yes", "--stack", STACK)
    assert "the bucket has objects, so it is not deleted: set nix-cache:protect" in refused.output
    assert b2.service.texts(BUCKET)["nar/x.nar.zst"] == "2"

    cache.set(protect=False)
    cache.up("--refresh")
    cache.destroy()
    assert b2.service.bucket_name_to_bucket == {}
