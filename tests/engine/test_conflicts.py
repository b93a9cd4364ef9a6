"""Names that are taken on the MinIO server: reported and left alone.

Only this module shows what the provider itself would overwrite: users and policies that exist. A
bucket that is taken is shown for every backend in `test_each_backend.py`.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nix_cache.backends.minio.connection import Connection
from tests.engine.clone import admin_client, assert_plain_error, in_one_order
from tests.engine.project import STACK, Project
from tests.engine.s3 import s3_client

pytestmark = pytest.mark.faults

OLD_SECRET = "an-older-secret"
OLD_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::elsewhere/*"]}
    ],
}

WAYS: dict[str, tuple[str, ...]] = {
    "up": ("up", "--yes", "--stack", STACK),
    "up without a preview": ("up", "--yes", "--skip-preview", "--stack", STACK),
}


def take_bucket(connection: Connection) -> None:
    """Make the bucket by hand, with something in it."""
    root = s3_client(connection.url, connection.user, connection.password)
    root.create_bucket(Bucket="nix-cache")
    root.put_object(Bucket="nix-cache", Key="theirs", Body=b"somebody's")


def take_user(connection: Connection) -> None:
    """Make the user by hand, and something that they read."""
    root = s3_client(connection.url, connection.user, connection.password)
    root.create_bucket(Bucket="elsewhere")
    root.put_object(Bucket="elsewhere", Key="it", Body=b"theirs")
    admin_client(connection).user_add("nixbuilder", OLD_SECRET)
    admin_client(connection).attach_policy(["readonly"], user="nixbuilder")


def take_policy(connection: Connection) -> None:
    """Make the policy by hand, with another meaning."""
    admin_client(connection).policy_add("nix-cache-write", policy=OLD_POLICY)


TAKEN: dict[str, Callable[[Connection], None]] = {
    "the bucket 'nix-cache'": take_bucket,
    "the user 'nixbuilder'": take_user,
    "the policy 'nix-cache-write'": take_policy,
}


def old_secret_works(connection: Connection) -> bool:
    """Return whether the user who was made by hand can still read with the secret that they had."""
    user = s3_client(connection.url, "nixbuilder", OLD_SECRET)
    return user.get_object(Bucket="elsewhere", Key="it")["Body"].read() == b"theirs"


def everything_on(connection: Connection) -> dict[str, Any]:
    """Buckets with their objects, users with their policies, and policies, as plain clients see."""
    root = s3_client(connection.url, connection.user, connection.password)
    administrator = admin_client(connection)
    buckets = [bucket["Name"] for bucket in root.list_buckets()["Buckets"]]
    return {
        "objects": {
            bucket: [
                entry["Key"] for entry in root.list_objects_v2(Bucket=bucket).get("Contents", [])
            ]
            for bucket in buckets
        },
        "users": json.loads(administrator.user_list()),
        "policies": in_one_order(json.loads(administrator.policy_list())),
    }


def made_by(project: Project) -> list[str]:
    """Return the types of the resources in the state that are something on the server."""
    return [
        resource["type"]
        for resource in project.resources().values()
        if resource["type"].startswith("minio:")
    ]


@pytest.mark.parametrize("taken", TAKEN)
def test_a_taken_name_is_refused_without_a_preview(
    project: Project, connection: Connection, taken: str
) -> None:
    """One error with the name and the way out; nothing is changed."""
    TAKEN[taken](connection)
    before = everything_on(connection)

    result = project.run(*WAYS["up without a preview"])

    assert result.exit_code != 0
    assert_plain_error(result.output)
    assert f"{taken} exists already on the MinIO server: " in result.output
    assert "see `nix-cache help operations/adoption`" in result.output
    assert everything_on(connection) == before
    assert made_by(project) == []
    if TAKEN[taken] is take_user:
        assert old_secret_works(connection)  # the provider itself would replace their secret


def test_all_taken_names_are_reported_at_once_by_the_preview(
    project: Project, connection: Connection
) -> None:
    """Names that are free are not among them, and nothing is changed."""
    for take in TAKEN.values():
        take(connection)
    project.set(readers=["team-reader"])
    before = everything_on(connection)

    result = project.run(*WAYS["up"])

    assert result.exit_code != 0
    assert_plain_error(result.output)
    for taken in TAKEN:
        assert f"{taken} exists already" in result.output
    refused = [line for line in result.output.splitlines() if "exists already" in line]
    assert not [line for line in refused if "team-reader" in line]
    assert "Nothing was changed." in result.output
    assert everything_on(connection) == before
    assert made_by(project) == []


def test_the_stack_comes_up_once_the_conflict_is_resolved(
    project: Project, connection: Connection
) -> None:
    """By another name in the configuration; what was there stays as it was."""
    take_user(connection)
    assert project.run(*WAYS["up without a preview"]).exit_code != 0

    project.set(writers=["ci-robot"])
    project.up()

    assert project.outputs()["readUrl"] == f"{connection.url}/nix-cache"
    project.up("--expect-no-changes")
    project.destroy()
    assert old_secret_works(connection)
    assert everything_on(connection)["objects"] == {"elsewhere": ["it"]}


def test_a_new_writer_whose_name_is_taken_leaves_the_others_as_they_are(
    project: Project, connection: Connection
) -> None:
    """A name is also looked at when the cache is up already."""
    project.up()
    credential = project.outputs(secrets=True)["credentials"]["nixbuilder"]
    admin_client(connection).user_add("ci-robot", OLD_SECRET)
    before = everything_on(connection)
    project.set(writers=["nixbuilder", "ci-robot"])

    result = project.run(*WAYS["up"])

    assert result.exit_code != 0
    assert_plain_error(result.output)
    assert "the user 'ci-robot' exists already" in result.output
    assert everything_on(connection) == before
    assert project.outputs(secrets=True)["credentials"] == {"nixbuilder": credential}
