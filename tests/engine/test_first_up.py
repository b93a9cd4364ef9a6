"""The main job: all is created once, stays as it is, and goes without a trace."""

from dev.server import LocalServer
from nix_cache.storage.minio_connection import Connection, Kind
from nix_cache.storage.minio_server import MinioServer
from tests.engine.conftest import s3_client
from tests.engine.project import STACK, Project


def test_a_second_up_and_a_refresh_change_nothing(project: Project) -> None:
    """What was created is what was asked for, also by the provider's own account."""
    project.set(expireAfterDays=90, readers=["team-reader"])
    project.up()

    project.up("--expect-no-changes")
    project.pulumi("refresh", "--yes", "--stack", STACK, "--expect-no-changes")
    project.up("--expect-no-changes")


def test_destroy_leaves_an_empty_server(
    project: Project, server: LocalServer, connection: Connection, admin: MinioServer
) -> None:
    """Bucket, user and policy are gone, also when the bucket had objects in it."""
    project.up()
    root = s3_client(server.url, connection.user, connection.password)
    root.put_object(Bucket="nix-cache", Key="nar/some.nar", Body=b"nar")

    project.destroy()

    assert root.list_buckets()["Buckets"] == []
    assert not admin.has(Kind.USER, "nixbuilder")
    assert not admin.has(Kind.POLICY, "nix-cache-write")
