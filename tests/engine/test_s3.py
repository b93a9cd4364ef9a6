"""The backend `s3`: its page on a real SeaweedFS, and key pairs that a real MinIO has already.

What it has in common with the other backends is shown in `test_each_backend.py`.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from nix_cache.backends.s3.bucket import ServiceBucket
from nix_cache.backends.s3.connection import S3Service
from nix_cache.backends.s3.login import S3Login, S3ServiceError
from nix_cache.backends.s3.users import Users
from nix_cache.iam.access import policy_for
from tests.engine import s3_project
from tests.engine.clone import admin_client, assert_plain_error
from tests.engine.project import STACK
from tests.engine.s3 import s3_client, user_client
from tests.engine.test_examples import executed
from tests.pages import commands
from tools.engine import Engine
from tools.seaweedfs import SeaweedServer
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE = "docs/backends/s3.md"
UP = ("up", "--yes", "--skip-preview", "--stack", STACK)


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Provide a SeaweedFS for the tests of this module."""
    with s3_project.running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


def administrator(server: SeaweedServer) -> "S3Client":
    """Return a client with all rights."""
    return s3_client(server.url, *server.key_pair)


@pytest.mark.slow
def test_the_example_of_the_page_deploys_a_cache(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """And the page's command replaces one credential and nothing else."""
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs)
    project.environment = {}
    here = {
        "nix-cache:s3.endpoint": seaweedfs.url,
        "nix-cache:s3.iamEndpoint": seaweedfs.url,
        "nix-cache:bucket": "of-the-page",
    }
    answers = {"s3:secretAccessKey": seaweedfs.key_pair[1]}
    for line, _ in executed(project, commands(PAGE, "Example"), here, answers):
        if "s3:accessKeyId" in line:  # the page's value belongs to no account
            project.typed(f"pulumi config set s3:accessKeyId {seaweedfs.key_pair[0]}")
    reported = json.loads(
        project.run("stack", "output", "--json", "--show-secrets", "--stack", "prod").stdout
    )
    assert reported["manifest"]["readers"] == ["nixreader"]

    (line,) = commands(PAGE, "Replace one credential")
    project.typed(line)
    again = json.loads(
        project.run("stack", "output", "--json", "--show-secrets", "--stack", "prod").stdout
    )
    before, after = reported["credentials"], again["credentials"]
    assert before["nixbuilder"] != after["nixbuilder"]
    assert before["nixreader"] == after["nixreader"]
    assert reported["signingKeys"] == again["signingKeys"]


def test_writers_and_readers_can_do_what_their_policies_say(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """On a private cache of a real service."""
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="private-cache")
    project.up()
    writer, reader = user_client(project, "nixbuilder"), user_client(project, "nixreader")
    anonymous = s3_client(seaweedfs.url)

    writer.put_object(Bucket="private-cache", Key="nar/a.nar.zst", Body=b"a NAR")
    assert reader.get_object(Bucket="private-cache", Key="nar/a.nar.zst")["Body"].read() == b"a NAR"
    refused: list[Callable[[], object]] = [
        lambda: writer.put_object(Bucket="private-cache", Key="nix-cache-info", Body=b"x"),
        lambda: writer.delete_object(Bucket="private-cache", Key="nar/a.nar.zst"),
        lambda: writer.list_objects_v2(Bucket="private-cache"),
        lambda: reader.put_object(Bucket="private-cache", Key="nar/b.nar", Body=b"x"),
        lambda: reader.list_objects_v2(Bucket="private-cache"),
        lambda: anonymous.get_object(Bucket="private-cache", Key="nar/a.nar.zst"),
        lambda: anonymous.list_objects_v2(Bucket="private-cache"),
    ]
    for request in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            request()
    project.destroy()


def test_a_bucket_and_a_policy_changed_outside_are_put_back(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """A bucket that was opened, and a writer that was given more."""
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="drifting-cache")
    project.up()
    bucket = "drifting-cache"
    opened = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    administrator(seaweedfs).put_bucket_policy(Bucket=bucket, Policy=json.dumps(opened))
    administrator(seaweedfs).delete_bucket_lifecycle(Bucket=bucket)
    s3_client(seaweedfs.url).get_object(Bucket=bucket, Key="nix-cache-info")  # it is open

    project.up("--refresh")

    with pytest.raises(ClientError, match="AccessDenied"):
        s3_client(seaweedfs.url).get_object(Bucket=bucket, Key="nix-cache-info")
    rules = administrator(seaweedfs).get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [rule["ID"] for rule in rules] == ["abort-unfinished-uploads"]
    project.up("--expect-no-changes")
    project.destroy()


def test_a_bucket_that_exists_is_used_and_left(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """With the objects in it. One that does not exist is an error before anything is made."""
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="existing")
    project.set(s3={"endpoint": seaweedfs.url, "iamEndpoint": seaweedfs.url, "createBucket": False})
    result = project.run(*UP)
    assert result.exit_code != 0
    assert "The bucket 'existing' does not exist" in result.output
    assert_plain_error(result.output)
    assert s3_project.users(seaweedfs) & {"existing-nixbuilder"} == set()

    root = administrator(seaweedfs)
    root.create_bucket(Bucket="existing")
    root.put_object(Bucket="existing", Key="theirs", Body=b"theirs")
    project.up()
    project.up("--expect-no-changes")
    project.destroy()
    listed = root.list_objects_v2(Bucket="existing")["Contents"]
    assert [one["Key"] for one in listed] == ["theirs"]
    assert "existing-nixbuilder" not in s3_project.users(seaweedfs)


def test_a_bucket_is_deleted_only_while_the_stack_makes_it(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """A switch to `createBucket: false` keeps it; one back does not take what exists."""
    own = {"endpoint": seaweedfs.url, "iamEndpoint": seaweedfs.url}
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="switched")
    project.set(expireAfterDays=30)
    project.up()
    root = administrator(seaweedfs)
    root.put_object(Bucket="switched", Key="theirs", Body=b"theirs")

    project.set(s3={**own, "createBucket": False, "lifecycle": False}, expireAfterDays=0)
    project.up()
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        root.get_bucket_lifecycle_configuration(Bucket="switched")
    project.set(s3=own)
    result = project.run(*UP)
    assert result.exit_code != 0
    assert "the bucket 'switched' exists already" in result.output
    project.set(s3={**own, "createBucket": False})
    project.destroy()

    listed = root.list_objects_v2(Bucket="switched")["Contents"]
    assert [one["Key"] for one in listed] == ["theirs"]


def test_a_bucket_that_is_a_cache_already_is_not_used(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """Nor one whose policy would be replaced."""
    root = administrator(seaweedfs)
    root.create_bucket(Bucket="theirs-already")
    root.put_object(Bucket="theirs-already", Key="nix-cache-info", Body=b"StoreDir: /nix/store\n")
    root.create_bucket(Bucket="theirs-opened")
    policy = {"Effect": "Deny", "Principal": "*", "Action": ["s3:DeleteObject"]}
    document = {**policy, "Resource": ["arn:aws:s3:::theirs-opened/*"]}
    root.put_bucket_policy(
        Bucket="theirs-opened",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [document]}),
    )
    own = {"endpoint": seaweedfs.url, "iamEndpoint": seaweedfs.url, "createBucket": False}
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs)

    for bucket, words in {
        "theirs-already": "exists already and is a binary cache",
        "theirs-opened": "has a policy or lifecycle rules",
    }.items():
        project.set(bucket=bucket, s3=own)
        result = project.run(*UP)
        assert result.exit_code != 0
        assert words in result.output
        assert_plain_error(result.output)
    root.get_bucket_policy(Bucket="theirs-opened")


def test_a_bucket_with_objects_is_never_deleted_without_force(seaweedfs: SeaweedServer) -> None:
    """SeaweedFS itself deletes one with all that is in it."""
    login = S3Login(*seaweedfs.key_pair)
    bucket = ServiceBucket(S3Service(seaweedfs.url, "us-east-1", "path"), login, "filled")
    assert bucket.create()
    bucket.put_text("some", "text", "text/plain")

    with pytest.raises(S3ServiceError, match="has objects, so it is not deleted"):
        bucket.delete()
    assert bucket.text("some") == ("text", "text/plain")
    bucket.empty()
    bucket.delete()
    assert not bucket.exists


def test_further_key_pairs_of_a_user_are_deleted(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """A user of SeaweedFS can make some for itself."""
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="minting")
    project.up()
    users = Users(
        S3Service(seaweedfs.url, "us-east-1", "path", seaweedfs.url), S3Login(*seaweedfs.key_pair)
    )
    users.create_key("minting-nixbuilder")
    given = project.outputs(secrets=True)["credentials"]["nixbuilder"]["accessKeyId"]

    project.up("--refresh")

    assert users.key_ids("minting-nixbuilder") == [given]
    project.up("--expect-no-changes")
    project.destroy()


MINTING = "can create further key pairs for itself"


def test_rights_that_are_wider_are_named_and_probes_leave_nothing(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """Users of SeaweedFS can create their own key pairs, and no more. Secrets are not in clear."""
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="probed")
    made = project.run(*UP)
    assert made.exit_code == 0, made.output
    start = "Wider than declared: "
    lines = [line for line in made.output.splitlines() if start in line]
    warnings = {line.partition(start)[2].partition(". See ")[0] for line in lines}
    named = ("the writer nixbuilder", "the reader nixreader")
    assert warnings == {f"{user} {MINTING} (200)" for user in named}
    assert "A probe left" not in made.output

    listed = administrator(seaweedfs).list_objects_v2(Bucket="probed")["Contents"]
    assert [one["Key"] for one in listed] == ["nix-cache-info"]
    users = Users(
        S3Service(seaweedfs.url, "us-east-1", "path", seaweedfs.url), S3Login(*seaweedfs.key_pair)
    )
    credentials = project.outputs(secrets=True)["credentials"]
    state = project.state_file.read_text()
    for user, pair in credentials.items():
        assert users.key_ids(f"probed-{user}") == [pair["accessKeyId"]]
        assert pair["secretAccessKey"] not in state
    assert seaweedfs.key_pair[1] not in state
    project.up("--expect-no-changes", "--refresh")
    project.destroy()


def test_a_bucket_that_anonymous_clients_can_list_fails_the_deployment(
    tmp_path: Path, engine: Engine, seaweedfs: SeaweedServer
) -> None:
    """Where the stack sets no policy, as readers use another URL. Closed again, it goes on."""
    project = s3_project.s3_cache(
        tmp_path / "project", engine, seaweedfs, bucket="too-open", public=True
    )
    own = {"endpoint": seaweedfs.url, "iamEndpoint": seaweedfs.url, "createBucket": False}
    project.set(s3={**own, "publicUrl": f"{seaweedfs.url}/too-open"})
    root = administrator(seaweedfs)
    root.create_bucket(Bucket="too-open")
    opened = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": ["arn:aws:s3:::too-open", "arn:aws:s3:::too-open/*"],
            }
        ],
    }
    root.put_bucket_policy(Bucket="too-open", Policy=json.dumps(opened))

    result = project.run(*UP)

    assert result.exit_code != 0
    assert "lets anonymous clients of the bucket 'too-open': list the bucket (200)" in result.output
    assert "Remove the policy or access list that permits it" in result.output
    assert_plain_error(result.output)

    opened["Statement"][0]["Action"] = ["s3:GetObject"]  # type: ignore[index]
    root.put_bucket_policy(Bucket="too-open", Policy=json.dumps(opened))
    project.up()
    project.up("--expect-no-changes")
    project.destroy()


@pytest.fixture
def brought(server: LocalServer) -> Iterator[dict[str, str]]:
    """Provide the key pairs of a writer and a reader that a MinIO server has already."""
    admin = admin_client(server.connection())
    pairs = {"nixbuilder": "write", "nixreader": "read"}
    for user, privilege in pairs.items():
        name = f"brought-{privilege}"
        admin.user_add(f"brought-{user}", f"secret-of-{user}")
        admin.policy_add(name, policy=policy_for(privilege, "brought"))  # type: ignore[arg-type]
        admin.policy_set(name, user=f"brought-{user}")
    yield {user: f"secret-of-{user}" for user in pairs}
    for user, privilege in pairs.items():
        admin.user_remove(f"brought-{user}")
        admin.policy_remove(f"brought-{privilege}")


def test_key_pairs_that_a_service_has_already_are_given_to_clients(
    tmp_path: Path,
    engine: Engine,
    server: LocalServer,
    seaweedfs: SeaweedServer,
    brought: dict[str, str],
) -> None:
    """On MinIO as a plain S3 service, without users of the stack."""
    root = server.connection()
    project = s3_project.s3_cache(tmp_path / "project", engine, seaweedfs, bucket="brought")
    project.environment |= {
        "AWS_ACCESS_KEY_ID": root.user,
        "AWS_SECRET_ACCESS_KEY": root.password,
    }
    pairs = [{"user": user, "accessKeyId": f"brought-{user}"} for user in brought]
    project.set(s3={"endpoint": server.url, "lifecycle": False, "accessKeys": pairs})
    for index, secret in enumerate(brought.values()):
        project.set_secret(f"s3.accessKeys[{index}].secretAccessKey", secret)

    project.up()
    project.up("--expect-no-changes")

    assert project.outputs()["credentials"] == "[secret]"
    user_client(project, "nixbuilder").put_object(Bucket="brought", Key="nar/a.nar", Body=b"a")
    found = user_client(project, "nixreader").get_object(Bucket="brought", Key="nar/a.nar")
    assert found["Body"].read() == b"a"
    state = project.state_file.read_text()
    assert not any(secret in state for secret in brought.values())
    project.destroy()
