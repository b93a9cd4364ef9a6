"""Backblaze B2: answers that are lost, runs that are killed, a service that is down.

Only this module shows what `up` and `destroy` make of such failures on B2, where the SDK tries each
request again. That an `up` during an outage costs no state is shown in `test_each_backend.py`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from tests.engine.b2_project import BUCKET
from tests.engine.b2_project import b2 as b2
from tests.engine.b2_project import cache as cache
from tests.engine.drift_command import on_stack
from tests.engine.project import STACK, Project
from tests.fakes.b2_server import B2Server, Fault
from tests.fakes.killing_proxy import kill_tree

pytestmark = pytest.mark.faults

WAIT_SECONDS = 120


@contextmanager
def up_until(b2: B2Server, cache: Project, request: str) -> Iterator[None]:
    """Run `up` until the service has done what a request asks for, and kill it with all it started.

    Neither the engine nor the provider learns what became of the request.
    """
    b2.held.clear()
    b2.release.clear()
    b2.fail(request, Fault.HELD)
    cache.write_config()
    process = subprocess.Popen(
        [
            *(str(cache.engine.pulumi), "up", "--yes", "--skip-preview", "--stack", STACK),
            "--non-interactive",
        ],
        cwd=cache.folder,
        env=cache.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert b2.held.wait(WAIT_SECONDS), f"up never came to {request}"
        kill_tree(psutil.Process(process.pid))
        yield
    finally:
        process.kill()
        process.wait(WAIT_SECONDS)
        b2.release.set()


def test_lost_answers_and_a_busy_service_leave_nothing_twice(b2: B2Server, cache: Project) -> None:
    """The SDK tries again, and what it made at first is known again or removed."""
    for request in ("b2_create_bucket", "b2_create_key", "upload"):
        b2.fail(request, Fault.LOST, Fault.BUSY)

    cache.up()
    assert b2.requests["b2_create_key"] == 3
    assert set(b2.service.bucket_name_to_bucket) == {BUCKET}
    key = b2.service.keys()["nixbuilder"]
    credential = cache.outputs(secrets=True)["credentials"]["nixbuilder"]
    assert credential["accessKeyId"] == key["applicationKeyId"]
    assert len(b2.service.key_id_to_key) == 2
    cache.up("--refresh", "--expect-no-changes")

    for request in ("b2_delete_key", "b2_delete_file_version", "b2_delete_bucket"):
        b2.fail(request, Fault.LOST)
    cache.destroy()
    assert b2.service.bucket_name_to_bucket == {}
    assert b2.service.keys() == {}


@pytest.mark.parametrize("request_name", ["b2_create_bucket", "b2_create_key"])
def test_a_run_that_was_killed_is_continued(
    b2: B2Server, cache: Project, request_name: str
) -> None:
    """The same bucket; one key, whose secret the stack has."""
    with up_until(b2, cache, request_name):
        bucket_id = b2.service.bucket(BUCKET).bucket_id

    unlocked = cache.run("cancel", "--yes", STACK)
    assert unlocked.exit_code == 0, unlocked.output
    cache.up("--refresh")
    assert b2.service.bucket(BUCKET).bucket_id == bucket_id
    key = b2.service.keys()["nixbuilder"]
    credential = cache.outputs(secrets=True)["credentials"]["nixbuilder"]
    assert credential["secretAccessKey"] == key["applicationKey"]
    assert len(b2.service.key_id_to_key) == 2
    assert cache.planned() == {}


def test_an_outage_during_a_refresh_costs_no_state(b2: B2Server, cache: Project) -> None:
    """Not even where no preview comes before it."""
    cache.up()
    resources = set(cache.resources())
    b2.stop()

    failed = cache.run("refresh", "--skip-preview", "--yes", "--stack", STACK)

    assert failed.exit_code != 0
    assert f"Backblaze at {b2.url} does not answer (Connection refused)" in failed.output
    assert "Traceback" not in failed.output
    b2.start()
    assert set(cache.resources()) == resources
    cache.up("--refresh", "--expect-no-changes")


@pytest.mark.parametrize(
    ("request_name", "interrupted", "wanted"),
    [
        ("b2_update_bucket", {"public": False}, {"public": True}),
        ("b2_delete_key", {"writers": ["nixbuilder", "ci-robot"]}, {"writers": ["nixbuilder"]}),
    ],
    ids=["an update that is no longer wanted", "a deletion, and then another"],
)
def test_a_repair_finds_out_what_became_of_a_pending_operation(
    b2: B2Server,
    cache: Project,
    request_name: str,
    interrupted: dict[str, Any],
    wanted: dict[str, Any],
) -> None:
    """The service has done it. State and service are then as the program has them."""
    cache.set(writers=["nixbuilder", "ci-robot", "ops-team"])
    cache.up()
    cache.set(**interrupted)
    with up_until(b2, cache, request_name):
        assert cache.run("cancel", "--yes", STACK).exit_code == 0
    assert "pending_operations" in cache.pulumi("stack", "export", "--stack", STACK)
    cache.set(**wanted)
    cache.write_config()

    result = on_stack(cache, "repair", "--yes")

    assert result.exit_code == 0, result.output
    assert "pending_operations" not in cache.pulumi("stack", "export", "--stack", STACK)
    cache.up("--refresh", "--expect-no-changes")
    assert b2.service.keys().keys() == set(cache.config["nix-cache:writers"])
    assert b2.service.bucket(BUCKET).bucket_type == "allPublic"
