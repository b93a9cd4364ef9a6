"""What the workflows run on a stack, run as they run it: its report, and how it ends.

Only this module runs `tools.ci` with an engine. How reports are written is in `tests/unit`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nix_cache.backends.minio.connection import NameKind
from nix_cache.backends.minio.server import MinioServer
from tests.engine.project import STACK, Project, public_cache
from tests.engine.s3 import s3_client
from tools import engine as toolchain_engine
from tools.bootstrap import ROOT
from tools.server import LocalServer

pytestmark = pytest.mark.slow

INFO = "nix-cache-info"


class Job:
    """A job's folder, with the program, the policy pack and a stack.

    Args:
        project: the program and its stack.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.summary = project.folder / "summary.md"
        (project.folder / "policies").symlink_to(ROOT / "policies")
        work = project.folder / ".dev"
        work.mkdir(mode=0o700)
        toolchain_engine.remember_choice(ROOT / ".dev", work)

    def run(self, command: str, stack: str = STACK, **variables: str) -> "Done":
        """Run a step as a job does, with a summary and a report."""
        report = self.project.folder / "report.json"
        report.unlink(missing_ok=True)
        self.summary.unlink(missing_ok=True)
        self.project.write_config()
        done = subprocess.run(
            [sys.executable, "-m", "tools.ci", command, stack, "--report", str(report)],
            cwd=self.project.folder,
            env={
                **self.project.variables(),
                "PYTHONPATH": str(ROOT),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        reported = json.loads(report.read_text()) if report.exists() else {}
        return Done(done.returncode, done.stdout + done.stderr, reported)


class Done:
    """How a step ended."""

    def __init__(self, exit_code: int, output: str, report: dict[str, Any]) -> None:
        self.exit_code = exit_code
        self.output = output
        self.report = report

    @property
    def text(self) -> str:
        """What people read of it."""
        return str(self.report["text"])


@pytest.fixture(scope="module")
def job(module_folder: Path, engine: toolchain_engine.Engine, module_server: LocalServer) -> Job:
    """Provide a job on a stack of development, in which nothing is made yet."""
    return Job(public_cache(module_folder / "project", engine, module_folder / "minio"))


@pytest.fixture(scope="module")
def deployed(job: Job) -> Done:
    """Provide the job's stack, deployed."""
    before = job.run("preview")
    assert before.exit_code == 0, before.output
    assert "to create" in before.text.splitlines()[0]
    assert "| create | `nix-cache-bucket` | `S3Bucket` |" in before.text
    assert job.project.resources() == {}
    return job.run("deploy")


def test_a_preview_reports_what_a_deployment_then_does(job: Job, deployed: Done) -> None:
    """In the report, and on the page of the job; no value is in either."""
    assert deployed.exit_code == 0, deployed.output
    assert deployed.report["status"] == "same"
    assert "created" in deployed.text.splitlines()[0]
    for secret in job.project.outputs(secrets=True)["signingKeys"].values():
        assert secret not in deployed.text + deployed.output

    again = job.run("preview")
    assert again.text == f"### `{STACK}`: no changes\n"
    assert job.summary.read_text() == again.text


def test_a_change_is_reported_by_resource_and_property(job: Job, deployed: Done) -> None:
    """One preview of another priority."""
    job.project.set(priority=30)
    try:
        found = job.run("preview")
    finally:
        job.project.set(priority=None)

    assert found.exit_code == 0, found.output
    assert "to update" in found.text.splitlines()[0]
    assert f"| update | `nix-cache-{INFO}` | `S3Object` | `content`" in found.text


def test_drift_is_reported_and_ends_with_two(
    job: Job, deployed: Done, module_server: LocalServer
) -> None:
    """And with zero once it is put back; nothing is written by the look."""
    root = module_server.connection()
    s3 = s3_client(module_server.url, root.user, root.password)
    before = s3.get_object(Bucket="nix-cache", Key=INFO)["Body"].read()
    state = job.project.state_file.read_text()
    s3.put_object(Bucket="nix-cache", Key=INFO, Body=before.replace(b"40", b"10"))
    found = job.run("drift")
    s3.put_object(Bucket="nix-cache", Key=INFO, Body=before, ContentType="text/x-nix-cache-info")

    assert found.exit_code == 2, found.output
    assert found.report["status"] == "different"
    assert INFO in found.text
    assert job.project.state_file.read_text() == state

    calm = job.run("drift")
    assert (calm.exit_code, calm.report["status"]) == (0, "same"), calm.output + calm.text


def test_a_look_that_fails_is_an_error_and_no_drift(job: Job, deployed: Done) -> None:
    """A passphrase that is missing, for one."""
    missing = job.run("drift", PULUMI_CONFIG_PASSPHRASE_FILE="", PULUMI_CONFIG_PASSPHRASE="wrong")

    assert missing.exit_code == 1
    assert missing.report["status"] == "failed"
    assert "log" in missing.text


@pytest.fixture
def unprotected(
    tmp_path: Path, engine: toolchain_engine.Engine, module_server: LocalServer, module_folder: Path
) -> Job:
    """Provide a stack that the policies hold for production, and that may be deleted."""
    project = public_cache(
        tmp_path / "project", engine, module_folder / "minio", bucket="unprotected"
    )
    project.pulumi("stack", "init", "prod")
    file = project.folder / "Pulumi.prod.yaml"
    written = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**written, "config": project.config}))
    return Job(project)


@pytest.mark.parametrize("command", ["preview", "deploy"])
def test_what_a_policy_forbids_is_reported_and_not_done(
    unprotected: Job, module_server: LocalServer, command: str
) -> None:
    """The rule, the resource and the way out; the server has nothing of it."""
    stopped = unprotected.run(command, "prod")

    assert stopped.exit_code == 1, stopped.output
    assert stopped.report["status"] == "failed"
    assert "**Policy, stops the update**: `deletion-protection`" in stopped.text
    assert not MinioServer(module_server.connection()).has(NameKind.BUCKET, "unprotected")


def test_a_stack_that_is_not_there_is_one_clear_error(job: Job) -> None:
    """Before the engine is asked."""
    lost = job.run("preview", "nowhere")

    assert lost.exit_code == 1
    assert "there is no stack 'nowhere': Pulumi.nowhere.yaml is missing" in lost.output
    assert "Traceback" not in lost.output
