"""Commands that messages print, run: the fix for a private bucket on MinIO that was opened.

Only this module runs the commands that doctor and drift print, on a stack by its name, and asks the
real engine for the options of all others.
"""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from nix_cache.cli.commands import StackPlace
from tests.engine.clone import admin_client
from tests.engine.damages import document
from tests.engine.drift_command import drifted, typed
from tests.engine.project import STACK, Project, public_cache
from tests.engine.s3 import s3_client
from tests.unit.cli.printed_commands import VALUE, printed
from tools.engine import Engine
from tools.server import LocalServer

pytestmark = pytest.mark.faults

BUCKET, WRITER = "nix-cache", "nixbuilder"
KEY = "nar/private.nar"


@pytest.fixture(scope="module")
def program(module_folder: Path, engine: Engine, module_server: LocalServer) -> Project:
    """Provide a private cache that is up, in a folder with a blank in its name."""
    made = public_cache(module_folder / "our cache", engine, module_folder / "minio", public=False)
    made.up()
    return made


ENGINE_COMMANDS = sorted(
    {one.words for one in printed() if one.words.startswith("pulumi ") and VALUE not in one.words}
)


@pytest.mark.parametrize("words", ENGINE_COMMANDS)
def test_the_engine_knows_each_command_that_a_message_prints(engine: Engine, words: str) -> None:
    """With its options, which it reads before it prints its help."""
    line = words.partition("|")[0]
    command = StackPlace("org/prod", Path("/srv/our shop")).command(*shlex.split(line), "--help")
    done = subprocess.run(
        [str(engine.pulumi), *shlex.split(command)[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert done.stdout.split("Usage:")[1].split()[:2] == ["pulumi", line.split()[1]]


def findings(program: Project) -> list[dict[str, Any]]:
    """Return the errors that doctor finds, in another folder than the program's."""
    line = f"nix-cache doctor {STACK} --project '{program.folder}' --sample 0 --json"
    done = typed(program, line)
    return [one for one in json.loads(done.stdout) if one["level"] == "error"]


def command_in(text: str) -> str:
    """Return the only command of `nix-cache stack` in a text."""
    (command,) = re.findall(r"`(nix-cache stack [^`]+)`", text)
    return str(command)


def test_a_bucket_that_was_opened_is_closed_by_the_fix_that_doctor_names(
    program: Project, module_server: LocalServer
) -> None:
    """Anonymous clients could read and list, and the writer could delete; then they cannot."""
    connection = module_server.connection()
    root = s3_client(module_server.url, connection.user, connection.password)
    anonymous = s3_client(module_server.url)
    credential = program.outputs(secrets=True)["credentials"][WRITER]
    writer = s3_client(module_server.url, credential["accessKeyId"], credential["secretAccessKey"])
    for key in (KEY, "nar/deleted.nar"):
        root.put_object(Bucket=BUCKET, Key=key, Body=b"private")
    assert findings(program) == []
    opened = document("s3:GetObject", "s3:ListBucket", Principal={"AWS": ["*"]})
    root.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(opened))
    admin_client(connection).attach_policy(["readwrite"], user=WRITER)
    assert anonymous.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"private"
    assert anonymous.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 1
    writer.delete_object(Bucket=BUCKET, Key="nar/deleted.nar")

    found = findings(program)

    whats = [one["what"] for one in found]
    assert any("anonymous clients can read" in what for what in whats), whats
    assert any("the writer nixbuilder can delete" in what for what in whats), whats
    fixes = {command_in(one["fix"]) for one in found}
    assert fixes == {f"nix-cache stack repair --stack {STACK} --cwd '{program.folder}'"}
    assert len(drifted(program)) == 2
    typed(program, f"{fixes.pop()} --yes").checked("the fix that doctor names")

    assert findings(program) == []
    assert drifted(program) == set()
    for refused in (
        lambda: anonymous.get_object(Bucket=BUCKET, Key=KEY),
        lambda: anonymous.list_objects_v2(Bucket=BUCKET),
        lambda: writer.delete_object(Bucket=BUCKET, Key=KEY),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    assert writer.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"private"
