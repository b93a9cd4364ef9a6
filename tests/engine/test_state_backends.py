"""A shared state in a bucket: locked, encrypted and moved there, by the commands of its page.

Only this module has a state elsewhere than in a folder, and two users of one stack.
"""

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from nix_cache.formats import signing
from tests.engine.clone import admin_client
from tests.engine.command import Result
from tests.engine.ports import closed_port
from tests.engine.project import STACK, Project, public_cache
from tests.engine.s3 import s3_client
from tests.engine.secret_search import leaks
from tests.pages import commands
from tests.waiting import wait_until
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.slow

PAGE = "docs/operations/state.md"

PAGE_BUCKET = PAGE_PROFILE = "pulumi-state"
"""What the page calls a bucket for states, and a user who may use it."""

GATED_PROGRAM = """\
import pathlib, time

pathlib.Path("started").touch()
while pathlib.Path("gate").exists():
    time.sleep(0.02)
"""
"""What a program begins with that waits, once it has started, until its gate is removed."""


@dataclass(frozen=True)
class Team:
    """People who keep states in one bucket.

    Attributes:
        server: where the bucket is, and the caches too.
        home: of a user who runs commands. It has the profile and a passphrase.
        engine: what runs them.
        bucket: its name.
    """

    server: LocalServer
    home: Path
    engine: Engine
    bucket: str

    @classmethod
    def create(
        cls, home: Path, engine: Engine, server: LocalServer, bucket: str = PAGE_BUCKET
    ) -> "Team":
        """Make the bucket, with versioning, and a user who may do what the page says."""
        root = server.connection()
        s3 = s3_client(server.url, root.user, root.password)
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        team = cls(server, home, engine, bucket)
        team.add_user(home, "s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        return team

    def add_user(self, home: Path, *actions: str) -> None:
        """Make a user who may list the bucket and do something with objects; for a new home."""
        name, secret = f"{self.bucket}-{home.name}", secrets.token_hex(16)
        (home / ".aws").mkdir(parents=True)
        document = home / "policy.json"
        document.write_text(json.dumps(rights_to(self.bucket, actions)))
        admin = admin_client(self.server.connection())
        admin.user_add(name, secret)
        admin.policy_add(name, str(document))
        admin.attach_policy([name], user=name)
        (home / ".aws" / "credentials").write_text(
            f"[{PAGE_PROFILE}]\naws_access_key_id = {name}\naws_secret_access_key = {secret}\n"
        )

    @property
    def s3(self) -> "S3Client":
        """An S3 client of the server's administrator."""
        root = self.server.connection()
        return s3_client(self.server.url, root.user, root.password)

    def project(self, folder: Path, bucket: str) -> Project:
        """Return a clone of a user of the team, its state still in its own folder."""
        made = public_cache(folder, self.engine, self.server._folder, bucket=bucket)
        made.environment["HOME"] = str(self.home)
        (self.home / f"{STACK}.passphrase").write_text((folder / "passphrase").read_text())
        return made

    def execute(self, project: Project, lines: Sequence[str]) -> str:
        """Execute commands of the page; the project's state is from then on where they lead."""
        script = "\n".join(lines)
        meant = {
            f"s3://{PAGE_BUCKET}": f"s3://{self.bucket}",
            "https://minio.example.org": self.server.url,
            "prod": STACK,
        }
        for there, here in meant.items():
            script = script.replace(there, here)
        printed = project.typed(f'{script}\necho "$PULUMI_BACKEND_URL"')
        project.environment["PULUMI_BACKEND_URL"] = printed.splitlines()[-1]
        return printed

    def stored(self) -> dict[str, bytes]:
        """Every version of every object of the bucket, by key and version."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        found = [version for page in pages for version in page.get("Versions", [])]
        return {
            f"{version['Key']} {version['VersionId']}": self.s3.get_object(
                Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"]
            )["Body"].read()
            for version in found
        }

    def locks(self) -> list[str]:
        """Return the keys of all locks."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=".pulumi/locks/")
        return [entry["Key"] for entry in listed.get("Contents", [])]


def rights_to(bucket: str, actions: Sequence[str]) -> dict[str, Any]:
    """To list a bucket, and to do something with its objects."""
    arn = f"arn:aws:s3:::{bucket}"
    statements = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]},
        {"Effect": "Allow", "Action": [*actions], "Resource": [f"{arn}/*"]},
    ]
    return {"Version": "2012-10-17", "Statement": statements}


@pytest.fixture(scope="module")
def team(module_folder: Path, engine: Engine, module_server: LocalServer) -> Team:
    """Provide a bucket for states, and a user who may use it."""
    return Team.create(module_folder / "home", engine, module_server)


@pytest.fixture(scope="module")
def deployed(team: Team, module_folder: Path) -> Project:
    """Provide a stack whose state was in the bucket from the beginning."""
    project = team.project(module_folder / "deployed", "nix-cache")
    team.execute(project, commands(PAGE, "Keep the state in a bucket"))
    project.up()
    return project


def colleague_of(project: Project, folder: Path) -> Project:
    """Another user's clone of what is committed, with the same passphrase and the same bucket."""
    folder.mkdir()
    for file in (*project.folder.glob("*.yaml"), project.folder / "__main__.py"):
        (folder / file.name).write_text(file.read_text())
    (folder / ".venv").symlink_to(project.folder / ".venv")
    passphrase = str(project.folder / "passphrase")
    return Project(
        folder,
        project.engine,
        config=dict(project.config),
        environment={**project.environment, "PULUMI_CONFIG_PASSPHRASE_FILE": passphrase},
    )


@contextmanager
def changing(project: Project) -> Iterator["subprocess.Popen[bytes]"]:
    """Provide an update that runs meanwhile; it ends by itself later, unless it was killed."""
    program = project.folder / "__main__.py"
    original = program.read_text()
    gate, started = project.folder / "gate", project.folder / "started"
    gate.touch()
    started.unlink(missing_ok=True)
    program.write_text(GATED_PROGRAM + original)
    process = subprocess.Popen(
        [str(project.engine.pulumi), "up", "--yes", "--non-interactive", "--stack", STACK],
        cwd=project.folder,
        env=project.variables(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(started.exists, "an update that runs")
        yield process
    finally:
        gate.unlink()
        process.wait(60)
        program.write_text(original)


def planned_nothing(project: Project) -> Result:
    """Return a preview that has to find nothing to change."""
    return project.run("preview", "--expect-no-changes", "--stack", STACK)


def test_a_colleague_goes_on_where_the_first_one_stopped(
    team: Team, deployed: Project, tmp_path: Path
) -> None:
    """From another folder, by the bucket and the passphrase alone."""
    colleague = colleague_of(deployed, tmp_path / "colleague")

    planned_nothing(colleague).checked("the colleague's preview")
    assert colleague.outputs(secrets=True) == deployed.outputs(secrets=True)
    assert not any((deployed.folder / "state" / ".pulumi").rglob("*history*"))


def test_a_preview_only_reads_the_bucket(team: Team, deployed: Project, tmp_path: Path) -> None:
    """So that jobs of pull requests do without the right to change a state."""
    viewer = colleague_of(deployed, tmp_path / "viewer")
    team.add_user(tmp_path / "home-of-viewer", "s3:GetObject")
    viewer.environment["HOME"] = str(tmp_path / "home-of-viewer")

    planned_nothing(viewer).checked("the viewer's preview")
    refused = viewer.run("up", "--yes", "--stack", STACK)
    assert refused.exit_code != 0
    assert "AccessDenied" in refused.output


def test_commands_do_not_warn_of_answers_without_a_checksum(deployed: Project) -> None:
    """Which is what one parameter of the page's URL is for."""
    listed = deployed.run("stack", "ls").checked("pulumi stack ls")

    assert STACK in listed.stdout
    assert "checksum" not in listed.output


def test_no_secret_is_in_the_bucket_in_clear(team: Team, deployed: Project) -> None:
    """Neither in the state nor in its history, in none of their versions."""
    outputs = deployed.outputs(secrets=True)
    known = {f"key of {name}": key for name, key in outputs["signingKeys"].items()}
    known |= {
        f"credential of {name}": pair["secretAccessKey"]
        for name, pair in outputs["credentials"].items()
    }
    stored = team.stored()

    assert any(STACK in key for key in stored)
    assert known
    assert leaks(stored, known) == {}


def test_a_concurrent_update_names_the_lock_holder(
    team: Team, deployed: Project, tmp_path: Path
) -> None:
    """The lock names the process; a preview is not held up, and afterwards all is free again."""
    colleague = colleague_of(deployed, tmp_path / "colleague")
    with changing(deployed) as first:
        refused = colleague.run("up", "--yes", "--stack", STACK)
        planned_nothing(colleague).checked("a preview meanwhile")

    assert refused.exit_code != 0
    assert "the stack is currently locked by 1 lock" in refused.output
    assert f"(pid {first.pid})" in refused.output
    assert first.returncode == 0
    assert team.locks() == []


def test_what_was_killed_is_cancelled_and_done_again(team: Team, deployed: Project) -> None:
    """The lock stays until a user says that its holder has ended."""
    with changing(deployed) as killed:
        os.killpg(killed.pid, signal.SIGKILL)
    assert len(team.locks()) == 1
    assert f"(pid {killed.pid})" in deployed.run("up", "--yes", "--stack", STACK).output

    team.execute(deployed, commands(PAGE, "Release a lock"))

    assert team.locks() == []
    planned_nothing(deployed).checked("the preview afterwards")


def test_a_stack_is_moved_into_the_bucket_without_a_change(team: Team, tmp_path: Path) -> None:
    """The same outputs, secrets among them; the old place knows it no more."""
    other_team = Team.create(tmp_path / "home", team.engine, team.server, "other-state")
    project = other_team.project(tmp_path / "moved", "moved-cache")
    project.up()
    old, before = project.variables()["PULUMI_BACKEND_URL"], project.outputs(secrets=True)

    printed = other_team.execute(project, commands(PAGE, "Move a stack"))

    assert before["signingKeys"]["nixbuilder"] not in printed
    assert project.variables()["PULUMI_BACKEND_URL"].startswith("s3://other-state?")
    assert project.outputs(secrets=True) == before
    assert not (project.folder / f"{STACK}.json").exists()
    project.environment["PULUMI_BACKEND_URL"] = old
    assert STACK not in project.pulumi("stack", "ls")


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """AWS's key service with the key that the page names, as variables by which it is found."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    found = {
        "AWS_ENDPOINT_URL_KMS": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("kms", region_name="eu-central-1")
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName=f"alias/nix-cache-{STACK}", TargetKeyId=key)
    yield found
    server.stop()


def test_a_stack_can_do_with_a_key_of_kms_and_go_back(
    team: Team, kms: dict[str, str], tmp_path: Path
) -> None:
    """With the key, no passphrase is asked for; without it, nothing can be read."""
    project = team.project(tmp_path / "project", "kms-cache")
    project.set_secret("writers[0].signingKey", signing.generate("of-my-own-1").secret_text)
    project.set_secret("writers[0].name", "nixbuilder")
    project.up()
    before = project.outputs(secrets=True)
    project.environment |= kms

    team.execute(project, commands(PAGE, "Encrypt with a KMS key"))
    with_passphrase = dict(project.environment)
    project.environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = ""
    assert project.outputs(secrets=True) == before
    planned_nothing(project).checked("the preview with the key")

    with closed_port() as netloc:
        project.environment["AWS_ENDPOINT_URL_KMS"] = f"http://{netloc}"
        assert project.run("stack", "output", "--show-secrets", "--stack", STACK).exit_code != 0

    project.environment = with_passphrase
    project.typed(f"pulumi stack change-secrets-provider --stack {STACK} passphrase")
    for name in kms:
        del project.environment[name]
    assert project.outputs(secrets=True) == before
    planned_nothing(project).checked("the preview with the passphrase again")
