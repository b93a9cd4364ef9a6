"""The life of a janitor's credential on MinIO: drift, repair, renewal, and its end.

What it can do is shown in `test_gc.py`, and that no writer becomes one in `test_each_backend.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from minio import MinioAdmin

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine.clone import admin_client
from tests.engine.damages import document
from tests.engine.drift_command import drifted, on_stack
from tests.engine.project import Project, public_cache
from tests.engine.s3 import s3_client
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.faults

BUCKET = "nix-cache"
JANITOR = "gc_janitor"
POLICY = "nix-cache-janitor"
NAR = "nar/old.nar"


@pytest.fixture(scope="module")
def stack(module_folder: Path, engine: Engine, module_server: LocalServer) -> Project:
    """Provide a public cache with a janitor."""
    made = public_cache(module_folder / "cache", engine, module_folder / "minio", janitor=True)
    made.up()
    return made


@pytest.fixture
def admin(module_server: LocalServer) -> MinioAdmin:
    """Provide a plain client of the administration API."""
    return admin_client(module_server.connection())


def pair_of(stack: Project, user: str = "janitor") -> tuple[str, str]:
    """Return a credential from the stack's outputs."""
    pair = stack.outputs(secrets=True)["credentials"][user]
    return pair["accessKeyId"], pair["secretAccessKey"]


def rights(client: "S3Client") -> dict[str, bool]:
    """Return what a credential can do of what only a janitor can, and of what it cannot."""
    requests: dict[str, Callable[[], Any]] = {
        "list": lambda: client.list_objects_v2(Bucket=BUCKET),
        "delete contents": lambda: client.delete_object(Bucket=BUCKET, Key=NAR),
        "delete other objects": lambda: client.delete_object(Bucket=BUCKET, Key="other"),
        "upload": lambda: client.put_object(Bucket=BUCKET, Key=NAR, Body=b"x"),
    }
    return {name: not is_refused(request) for name, request in requests.items()}


def is_refused(request: Callable[[], Any]) -> bool:
    """Return whether the server refuses a request. Any other error is raised."""
    try:
        request()
    except ClientError as refusal:
        if refusal.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return True
    return False


AS_DECLARED = {
    "list": True,
    "delete contents": True,
    "delete other objects": False,
    "upload": False,
}
NOTHING = dict.fromkeys(AS_DECLARED, False)


def widen_policy(admin: MinioAdmin) -> None:
    """Let the janitor do everything in the bucket."""
    admin.policy_add(POLICY, policy=document("s3:*"))


def delete_user(admin: MinioAdmin) -> None:
    """Delete the janitor."""
    admin.user_remove(JANITOR)


def delete_policy(admin: MinioAdmin) -> None:
    """Detach the policy and delete it."""
    admin.policy_unset(POLICY, user=JANITOR)
    admin.policy_remove(POLICY)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (
            widen_policy,
            {
                f"the policy {POLICY} lets the janitor upload store paths, write root records, pin "
                "store paths, replace the cache's metadata, upload anything else, abort uploads, "
                "delete objects, list objects, list unfinished uploads, change the bucket's "
                "policy, change the lifecycle, delete the bucket, administer themselves"
            },
        ),
        (delete_user, {f"the user {JANITOR} was deleted"}),
        (
            delete_policy,
            {f"the policy {POLICY} was deleted: its users have no rights"},
        ),
    ],
)
def test_what_was_changed_of_the_janitor_is_found_and_repaired(
    stack: Project,
    admin: MinioAdmin,
    module_server: LocalServer,
    damage: Callable[[MinioAdmin], None],
    found: set[str],
) -> None:
    """By hand on the server. Only a user that was deleted gets a new secret."""
    writer, before = pair_of(stack, "nixbuilder"), pair_of(stack)
    assert rights(s3_client(module_server.url, *before)) == AS_DECLARED
    damage(admin)
    assert rights(s3_client(module_server.url, *before)) != AS_DECLARED
    assert drifted(stack) == found

    on_stack(stack, "repair", "--yes").checked("repair")

    assert drifted(stack) == set()
    after = pair_of(stack)
    assert rights(s3_client(module_server.url, *after)) == AS_DECLARED
    assert (after == before) is (damage is not delete_user)
    assert pair_of(stack, "nixbuilder") == writer


def test_the_credential_of_the_janitor_is_renewed_alone(
    stack: Project, module_server: LocalServer
) -> None:
    """The old secret ends."""
    writer, before = pair_of(stack, "nixbuilder"), pair_of(stack)

    on_stack(stack, "renew", JANITOR, "--yes").checked("renew")

    after = pair_of(stack)
    assert after[1] != before[1]
    assert rights(s3_client(module_server.url, *before)) == NOTHING
    assert rights(s3_client(module_server.url, *after)) == AS_DECLARED
    assert pair_of(stack, "nixbuilder") == writer
    assert drifted(stack) == set()


def test_a_janitor_that_is_given_up_leaves_nothing_and_comes_back_as_another(
    stack: Project, module_server: LocalServer
) -> None:
    """Neither a user nor a policy, and its secret opens nothing when there is one again."""
    server = MinioServer(module_server.connection())
    writer, before = pair_of(stack, "nixbuilder"), pair_of(stack)

    stack.set(janitor=None)
    stack.up()

    assert not server.has(NameKind.USER, JANITOR)
    assert not server.has(NameKind.POLICY, POLICY)
    assert rights(s3_client(module_server.url, *before)) == NOTHING
    assert drifted(stack) == set()
    stack.set(janitor=True)
    stack.up()
    assert rights(s3_client(module_server.url, *before)) == NOTHING
    assert rights(s3_client(module_server.url, *pair_of(stack))) == AS_DECLARED
    assert pair_of(stack, "nixbuilder") == writer
