"""What the programs that are built here leave out fails with an error that names it."""

import subprocess
from pathlib import Path

import pytest

from tests.engine.command import Result, clean_environment, pulumi
from tools.engine import Engine, PartOrigin

pytestmark = pytest.mark.offline

FIX = "Install Pulumi's official CLI and put it on PATH"


@pytest.fixture(scope="module")
def built_engine(engine: Engine) -> Engine:
    """Provide the engine, if its CLI and its MinIO are built here."""
    for part in engine.parts:
        if part.name in {"pulumi", "MinIO"} and part.origin is not PartOrigin.BUILT:
            pytest.skip(f"{part.name} is an official one, which leaves nothing out")
    return engine


def run(engine: Engine, folder: Path, *arguments: str) -> Result:
    """Run a command of the CLI in a project whose states are in the folder."""
    (folder / "states").mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text("name: project\nruntime: yaml\n")
    environment = {
        **engine.environment(clean_environment()),
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"file://{folder / 'states'}",
    }
    return pulumi(engine, folder, environment, arguments)


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        (["login", "azblob://states"], "state in azblob:// buckets"),
        (["login", "gs://states"], "state in gs:// buckets"),
        (["neo", "--cwd", ".", "help me"], "`pulumi neo`"),
        (["api", "list"], "`pulumi api`"),
        *(
            (["stack", "init", "test", "--secrets-provider", f"{scheme}://key"], f"{scheme}://")
            for scheme in ("azurekeyvault", "gcpkms", "hashivault")
        ),
    ],
)
def test_the_error_names_what_pulumi_lacks_and_the_official_cli(
    built_engine: Engine, tmp_path: Path, arguments: list[str], left_out: str
) -> None:
    """Buckets and keys of other clouds, and commands of Pulumi Cloud. No state is made."""
    result = run(built_engine, tmp_path, *arguments)

    assert result.exit_code != 0
    assert "this build of Pulumi leaves out" in result.output
    assert left_out in result.output
    assert FIX in result.output
    assert "panic" not in result.output
    assert not list((tmp_path / "states").rglob("test.json"))


def test_a_key_of_aws_kms_is_still_asked_for(built_engine: Engine, tmp_path: Path) -> None:
    """The provider is there: it fails for want of a region, not of code."""
    command = ("stack", "init", "test", "--secrets-provider", "awskms://key?region=nowhere")
    result = run(built_engine, tmp_path, *command)

    assert result.exit_code != 0
    assert "leaves out" not in result.output
    assert "KMS" in result.output


def test_minio_does_not_start_with_a_console_that_it_lacks(
    built_engine: Engine, tmp_path: Path
) -> None:
    """`make up` starts it with MINIO_BROWSER=off; without that, it ends with the reason."""
    done = subprocess.run(
        [
            *(str(built_engine.minio), "server", "--quiet", "--address", "127.0.0.1:0"),
            *("--certs-dir", str(tmp_path / "certs"), str(tmp_path / "data")),
        ],
        env={**clean_environment(), "MINIO_UPDATE": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "this build of MinIO leaves out the console" in done.stdout + done.stderr
