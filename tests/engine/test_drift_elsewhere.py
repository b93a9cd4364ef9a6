"""`nix-cache stack drift` without MinIO: the engine's refresh is reported in the same words."""

import json

import pytest

from tests.engine.b2_project import BUCKET
from tests.engine.b2_project import b2 as b2
from tests.engine.b2_project import cache as cache
from tests.engine.b2_server import B2Server
from tests.engine.clone import assert_plain_error
from tests.engine.drift_command import on_stack
from tests.engine.project import STACK, Project

pytestmark = pytest.mark.faults


@pytest.mark.timeout(600)
def test_changes_on_b2_are_told_and_nothing_is_written(b2: B2Server, cache: Project) -> None:
    """None at first; then settings of the bucket, an object, and a key that was deleted."""
    cache.up()
    result = on_stack(cache, "drift", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"drift": []}), result.output

    bucket = b2.service.bucket(BUCKET)
    bucket.bucket_type = "allPrivate"
    b2.service.put(BUCKET, "nix-cache-info", b"StoreDir: /elsewhere\n")
    del b2.service.key_id_to_key[b2.service.keys()["nixbuilder"]["applicationKeyId"]]
    b2.service.all_application_keys.clear()
    state, texts = cache.state_file.read_bytes(), b2.service.texts(BUCKET)

    result = on_stack(cache, "drift", "--json")

    assert result.exit_code == 2, result.output
    found = {finding["what"]: finding for finding in json.loads(result.stdout)["drift"]}
    assert set(found) == {
        f"the bucket {BUCKET} was changed: type",
        "nix-cache-info in the bucket was changed: content_type, text",
        "the key of nix-cache-nixbuilder was deleted",
    }
    assert found[f"the bucket {BUCKET} was changed: type"] == {
        "what": f"the bucket {BUCKET} was changed: type",
        "was": "type: allPublic",
        "is": "type: allPrivate",
        "fix": f"`nix-cache stack repair --stack {STACK}` puts it back",
    }
    assert (cache.state_file.read_bytes(), b2.service.texts(BUCKET)) == (state, texts)


def test_a_service_that_does_not_answer_is_an_error(b2: B2Server, cache: Project) -> None:
    """And no drift."""
    cache.up()
    state = cache.state_file.read_bytes()
    cache.environment["B2_APPLICATION_KEY"] = "not-the-key"

    result = on_stack(cache, "drift", "--json")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert_plain_error(result.output)
    assert cache.state_file.read_bytes() == state
