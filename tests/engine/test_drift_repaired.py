"""What no refresh sees, and `make repair` undoes on a private cache.

Only this module removes what was added on the server beside the stack, and repairs a state after a
refresh that failed.
"""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from tests.engine import damages
from tests.engine.clone import Clone, admin_client, cloned
from tests.engine.damages import BUCKET, WRITER
from tests.engine.s3 import s3_client
from tests.engine.test_drift_reported import run
from tools import engine as toolchain_engine
from tools.place import STACK

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def clone(
    tmp_path_factory: pytest.TempPathFactory, engine: toolchain_engine.Engine
) -> Iterator[Clone]:
    """Provide a private cache that keeps everything."""
    with cloned(tmp_path_factory.mktemp("repaired") / "clone", engine) as made:
        made.configure(public=False)
        made.dev("up")
        yield made


def test_what_was_added_is_taken_away_again(clone: Clone) -> None:
    """To a private bucket and to a writer, whose credential stays as it is."""
    credentials = clone.outputs()["credentials"]
    for damage in (
        damages.open_bucket,
        damages.expire_everything,
        damages.set_quota,
        damages.attach_policy,
        damages.join_group,
        damages.make_access_key,
    ):
        damage(clone)
    assert run(clone, "drift").exit_code == 2

    said = run(clone, "repair").checked("make repair").output

    for reported in (
        f"anonymous requests can read objects, list objects in the bucket {BUCKET}",
        f"the lifecycle of the bucket {BUCKET} has 1 rule instead of none",
        f"the bucket {BUCKET} was given a quota",
        f"the user {WRITER} was given the further policy readwrite",
        f"the user {WRITER} was put into the group admins",
        f"the user {WRITER} was given a further access key, of-a-user",
    ):
        assert reported in said
    assert said.index("was given a quota") < said.index("remove a bucket's quota: nix-cache")
    assert run(clone, "drift").exit_code == 0
    assert clone.outputs()["credentials"] == credentials
    with pytest.raises(ClientError, match="AccessDenied"):
        s3_client(clone.connection.url).list_objects_v2(Bucket=BUCKET)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        s3_client(clone.connection.url, "of-a-user", "of-another-user").list_buckets()


def test_a_state_that_a_failed_refresh_left_is_repaired(clone: Clone) -> None:
    """It dropped the user, and fails over the user's attachment ever since."""
    admin_client(clone.connection).user_remove(WRITER)
    refresh = ("up", "--yes", "--refresh", "--skip-preview", "--stack", STACK)
    assert clone.pulumi(*refresh).exit_code != 0
    assert clone.pulumi(*refresh).exit_code != 0
    assert f"the user {WRITER} was deleted" in run(clone, "drift").output

    run(clone, "repair").checked("make repair")

    assert run(clone, "drift").exit_code == 0
    credential = clone.outputs()["credentials"][WRITER]
    writer = s3_client(
        clone.connection.url, credential["accessKeyId"], credential["secretAccessKey"]
    )
    writer.put_object(Bucket=BUCKET, Key="log/pushed", Body=b"by the writer")
