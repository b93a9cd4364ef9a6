"""`nix-cache stack` on a program of the user's own, in another folder, with two caches."""

import json
from pathlib import Path
from typing import Any

import pytest
from minio import MinioAdmin

from tests.engine.clone import admin_client, assert_plain_error
from tests.engine.command import Result
from tests.engine.conftest import running_server
from tests.engine.drift_command import drifted, on_stack, typed
from tests.engine.project import STACK, Project
from tests.engine.s3 import s3_client
from tests.engine.test_several_caches import several_caches
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def program(module_folder: Path, engine: Engine, module_server: LocalServer) -> Project:
    """Provide a program of two caches, up, with other resources that depend on the second one.

    Its server is found by environment variables, and its project is not called nix-cache.
    """
    caches: dict[str, dict[str, Any]] = {"first": {"public": True}, "second": {"bucket": "team-b"}}
    made = several_caches(module_folder / "two", engine, module_server, caches)
    with (made.folder / "__main__.py").open("a") as file:
        file.write(
            "import pulumi_minio as minio\n"
            "after = pulumi.ResourceOptions(depends_on=[*caches.values()])\n"
            "minio.IamUserPolicyAttachment('own', user_name='team-b-nixbuilder',\n"
            "    policy_name='readonly', opts=after)\n"
            "minio.S3Bucket('own', bucket='of-the-program', force_destroy=True)\n"
            "minio.S3Object('own', bucket_name='team-b', object_name='of-the-program',\n"
            "    content=Path('content').read_text(), opts=after)\n"
        )
    (made.folder / "content").write_text("as it was")
    made.up()
    return made


@pytest.fixture
def admin(module_server: LocalServer) -> MinioAdmin:
    """Provide a plain client of the administration API."""
    return admin_client(module_server.connection())


def test_there_is_no_drift_in_what_the_program_made(program: Project) -> None:
    """A policy that the program itself attaches to a cache's user is no drift either."""
    assert drifted(program) == set()


def test_what_was_changed_in_either_cache_is_found_and_repaired(
    program: Project, module_server: LocalServer, admin: MinioAdmin
) -> None:
    """By the command alone, in another folder than the program's."""
    root = s3_client(
        module_server.url, module_server.connection().user, module_server.connection().password
    )
    keys = program.outputs(secrets=True)["publicKeys"]
    root.delete_object(Bucket="nix-cache", Key="nix-cache-info")
    admin.user_remove("team-b-nixreader")
    root.create_bucket(Bucket="of-nobody-here")

    assert drifted(program) == {
        "nix-cache-info was deleted from the bucket nix-cache",
        "the user team-b-nixreader was deleted",
    }
    refused = on_stack(program, "repair")
    assert refused.exit_code == 1
    assert f"the repair of the stack {STACK} was not confirmed" in refused.output
    fixes = {one["fix"] for one in json.loads(on_stack(program, "drift", "--json").stdout)["drift"]}
    [suggested] = {fix.split("`")[1] for fix in fixes}
    typed(program, f"{suggested} --yes").checked("repair")

    assert drifted(program) == set()
    assert program.outputs(secrets=True)["publicKeys"] == keys


def test_a_credential_of_the_second_cache_is_renewed_alone(
    program: Project, admin: MinioAdmin
) -> None:
    """The writer of the first cache has the same name in the program, and keeps theirs.

    A renewal that was interrupted has removed the user already, and the next one goes on.
    """
    before = program.outputs(secrets=True)["credentials"]

    unknown = on_stack(program, "renew", "no-such-user", "--yes")
    assert unknown.exit_code == 1
    assert "name one of: nixbuilder, team-b-nixbuilder, team-b-nixreader\n" in unknown.output
    elsewhere = on_stack(program, "renew", "team-b-nixbuilder", "--cache", "first", "--yes")
    assert elsewhere.exit_code == 1
    assert "name one of: nixbuilder\n" in elsewhere.output
    on_stack(program, "renew", "team-b-nixbuilder", "--yes").checked("renew")
    first_time = program.outputs(secrets=True)["credentials"]["second"]["nixbuilder"]
    admin.user_remove("team-b-nixbuilder")
    on_stack(program, "renew", "team-b-nixbuilder", "--cache", "second", "--yes").checked("renew")

    after = program.outputs(secrets=True)["credentials"]
    assert after["first"] == before["first"]
    assert after["second"]["nixreader"] == before["second"]["nixreader"]
    assert before["second"]["nixbuilder"] != first_time != after["second"]["nixbuilder"]
    assert drifted(program) == set()


def of_the_program(program: Project) -> list[dict[str, Any]]:
    """Return the program's own resources as the state has them, in an order that does not vary."""
    own = [one for one in program.state.resources() if one["urn"].endswith("::own")]
    return sorted(own, key=lambda one: str(one["urn"]))


def test_a_repair_touches_only_the_resources_of_the_caches(
    program: Project, module_server: LocalServer, admin: MinioAdmin
) -> None:
    """Not even those that depend on a bucket and a user which it creates again.

    They were changed in the program, and outside, and are neither updated, refreshed nor dropped.
    """
    root = s3_client(
        module_server.url, module_server.connection().user, module_server.connection().password
    )
    before = of_the_program(program)
    assert len(before) == 3
    keys = program.outputs(secrets=True)["publicKeys"]
    for key in root.list_objects_v2(Bucket="team-b")["Contents"]:
        root.delete_object(Bucket="team-b", Key=key["Key"])
    root.delete_bucket(Bucket="team-b")
    admin.user_remove("team-b-nixbuilder")
    admin.policy_remove("team-b-write")
    root.delete_bucket(Bucket="of-the-program")
    (program.folder / "content").write_text("changed in the program")

    result = on_stack(program, "repair", "--yes").checked("repair")

    assert "own (S3Object)" in result.output
    assert of_the_program(program) == before
    assert drifted(program) == set()
    assert program.outputs(secrets=True)["publicKeys"] == keys
    assert "of-the-program" not in {one["Name"] for one in root.list_buckets()["Buckets"]}
    assert "readonly" in json.loads(admin.user_info("team-b-nixbuilder"))["policyName"]
    kept = max((program.folder / "kept" / "nix-cache" / "stack-backups").iterdir())
    assert str(kept) in result.output
    assert kept.stat().st_mode & 0o777 == 0o600
    program.up("--refresh")  # afterwards all of it is as the program has it


def failed(program: Project, *options: str, stack: str = STACK) -> Result:
    """Return a check that could not be done."""
    result = on_stack(program, "drift", *options, stack=stack)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert_plain_error(result.output)
    return result


def test_what_cannot_be_checked_is_one_clear_error(
    program: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 1, as 2 means drift."""
    assert "the stack no-such does not exist" in failed(program, stack="no-such").output
    assert "No such option" in failed(program, "--no-such-option").output
    assert "was not found" in failed(program, "--pulumi", "no-such-pulumi").output

    wrong = {**program.environment, "PULUMI_CONFIG_PASSPHRASE": "wrong"}
    monkeypatch.setattr(program, "environment", wrong)
    assert "the passphrase is wrong" in failed(program).output
    unset = {**wrong, "PULUMI_CONFIG_PASSPHRASE_FILE": "", "PULUMI_CONFIG_PASSPHRASE": ""}
    monkeypatch.setattr(program, "environment", unset)
    assert "cannot be decrypted" in failed(program).output


def test_a_stack_without_a_cache_and_a_folder_without_a_program_are_named(
    tmp_path: Path, engine: Engine
) -> None:
    """Each with its fix."""
    project = Project.create(tmp_path / "project", engine)
    assert f"the stack {STACK} has no nix-cache component" in failed(project).output

    (project.folder / "Pulumi.yaml").unlink()
    assert f"there is no Pulumi project in {project.folder}" in failed(project).output


TWO_SERVERS = '''"""Two caches of the same name, each on its own server."""

import json
from pathlib import Path

import pulumi
import pulumi_minio as minio
from nix_cache import BinaryCache

for name, server in json.loads(Path("servers.json").read_text()).items():
    provider = minio.Provider(
        name,
        minio_server=server["server"],
        minio_user=server["user"],
        minio_password=pulumi.Output.secret(server["password"]),
    )
    args = {"domain": "cache.example.org", "protect": False, "minio": {"endpoint": server["url"]}}
    BinaryCache(name, args, pulumi.ResourceOptions(providers=[provider]))
'''


def test_each_cache_is_looked_for_on_the_server_of_its_own_provider(
    tmp_path: Path, engine: Engine
) -> None:
    """The settings of an explicit provider are in the state alone."""
    project = Project.create(tmp_path / "project", engine)
    with (
        running_server(tmp_path / "one", engine) as one,
        running_server(tmp_path / "two", engine) as two,
    ):
        servers = {
            name: {**vars(server.connection()), "url": server.url}
            for name, server in (("one", one), ("two", two))
        }
        (project.folder / "servers.json").write_text(json.dumps(servers))
        (project.folder / "__main__.py").write_text(TWO_SERVERS)
        project.up()
        assert drifted(project) == set()

        known = two.connection()
        root = s3_client(two.url, known.user, known.password)
        root.delete_bucket_policy(Bucket="nix-cache")
        root.delete_object(Bucket="nix-cache", Key="nix-cache-info")

        assert drifted(project) == {"nix-cache-info was deleted from the bucket nix-cache"}
