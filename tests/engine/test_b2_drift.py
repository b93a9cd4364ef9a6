"""Backblaze B2: what changed outside is seen by a refresh and put back."""

from typing import Any

import pytest

from tests.engine.b2_project import BUCKET
from tests.engine.b2_project import b2 as b2
from tests.engine.b2_project import cache as cache
from tests.engine.b2_server import B2Server
from tests.engine.project import RETOLD, Project

pytestmark = pytest.mark.faults


def settings(b2: B2Server) -> dict[str, Any]:
    """What a refresh has to look at in the bucket."""
    bucket = b2.service.bucket(BUCKET)
    return {
        "type": bucket.bucket_type,
        "rules": bucket.lifecycle_rules,
        "info": bucket.bucket_info,
        "encryption": bucket.default_server_side_encryption.mode,
    }


def test_what_was_changed_is_put_back(b2: B2Server, cache: Project) -> None:
    """The bucket's settings, an object that was replaced, one that was hidden; nothing else."""
    cache.up()
    wanted, texts, keys = settings(b2), b2.service.texts(BUCKET), b2.service.keys()
    bucket = b2.service.bucket(BUCKET)
    bucket.bucket_type, bucket.lifecycle_rules, bucket.bucket_info = "allPrivate", [], {}
    b2.service.put(BUCKET, "nix-cache-info", b"StoreDir: /elsewhere\n")
    b2.service.hide(BUCKET, "nix-cache.json")

    cache.up("--refresh")
    assert settings(b2) == wanted
    assert b2.service.texts(BUCKET) == texts
    assert b2.service.keys() == keys
    assert cache.planned() == {}


def test_what_was_deleted_is_made_anew(b2: B2Server, cache: Project) -> None:
    """A key, and then the bucket with all that was in it: whose key is of no use any more."""
    cache.up()
    texts = b2.service.texts(BUCKET)
    first = b2.service.keys()["nixbuilder"]["applicationKeyId"]
    del b2.service.key_id_to_key[first]
    b2.service.all_application_keys.clear()

    cache.up("--refresh")
    credential = cache.outputs(secrets=True)["credentials"]["nixbuilder"]
    second = b2.service.keys()["nixbuilder"]
    assert second["applicationKeyId"] != first
    assert credential["secretAccessKey"] == second["applicationKey"]

    gone = b2.service.bucket(BUCKET)
    del b2.service.bucket_name_to_bucket[BUCKET]
    del b2.service.bucket_id_to_bucket[gone.bucket_id]
    cache.pulumi("refresh", "--yes", "--stack", "test")
    assert cache.planned() == {
        "nix-cache-bucket": "create",
        "nix-cache-nixbuilder": "replace",
        "nix-cache-nix-cache-info": "create",
        **dict.fromkeys(RETOLD, "create"),
    }
    cache.up()
    assert b2.service.texts(BUCKET) == texts
    third = b2.service.keys()["nixbuilder"]
    assert third["bucketIds"] == [b2.service.bucket(BUCKET).bucket_id]
    assert cache.planned() == {}
