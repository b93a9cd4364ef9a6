"""What is left after a state, a passphrase or a credential was lost, and the way back.

Only this module executes the steps of its pages. A signing key that leaked is rotated and dropped
as in `test_writers.py`, by settings that `tests/unit/test_pages_settings.py` checks.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.engine import keys
from tests.engine.adoption import keep_what_exists
from tests.engine.clone import Clone, assert_plain_error, cloned
from tests.engine.damages import WRITER
from tests.engine.project import STACK, Project
from tests.engine.s3 import s3_client
from tests.engine.test_drift_reported import run
from tests.pages import commands
from tools import engine as toolchain_engine
from tools.server import LocalServer

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Before:
    """What a user has who set a machine up before something was lost."""

    credential: dict[str, str]
    signing_key: str
    public_keys: list[str]


@pytest.fixture
def before(project: Project, server: LocalServer) -> Before:
    """Provide a cache that is up, with a NAR in it, and the keys that its page says to keep."""
    project.up()
    [keep] = commands("docs/operations/backup.md", "Back up signing keys")
    project.typed(keep.replace("prod", STACK))
    kept = json.loads((project.folder / "signing-keys.json").read_text())
    outputs = project.outputs(secrets=True)
    assert kept == outputs["signingKeys"]
    credential = outputs["credentials"][WRITER]
    push(server, credential, "nar/before.nar")
    return Before(credential, kept[WRITER], outputs["publicKeys"])


def push(server: LocalServer, credential: dict[str, str], key: str) -> None:
    """Push something with a credential."""
    client = s3_client(server.url, credential["accessKeyId"], credential["secretAccessKey"])
    client.put_object(Bucket="nix-cache", Key=key, Body=b"a NAR")


def adopt(project: Project) -> None:
    """Follow the page on adoption."""
    project.pulumi("stack", "select", STACK)
    enable, begin = commands("docs/operations/adoption.md", "Write the import file")
    bring_in, _look, finish, disable = commands(
        "docs/operations/adoption.md", "Import the resources"
    )
    project.typed(enable)
    project.typed(begin)
    keep_what_exists(project)
    project.typed(bring_in)
    planned = project.planned()
    assert not {"replace", "delete"} & set(planned.values()), planned
    project.typed(finish)
    project.typed(disable)


def assert_nothing_was_lost(project: Project, server: LocalServer, before: Before) -> None:
    """Check that pushed paths exist, writers can push, and no changes are pending."""
    project.up("--expect-no-changes")
    root = server.connection()
    client = s3_client(server.url, root.user, root.password)
    assert client.get_object(Bucket="nix-cache", Key="nar/before.nar")["Body"].read() == b"a NAR"
    push(server, before.credential, "nar/after.nar")


def test_a_lost_state_is_made_again_with_the_same_keys(
    project: Project, server: LocalServer, before: Before
) -> None:
    """From the bucket that is there, and the signing keys that a user kept."""
    shutil.rmtree(project.folder / "state" / ".pulumi")
    (project.folder / "key.sec").write_text(before.signing_key)
    for line in commands("docs/operations/recovery.md", "Continue after a lost state"):
        project.typed(line.replace("prod", STACK))

    adopt(project)

    outputs = project.outputs(secrets=True)
    assert outputs["publicKeys"] == before.public_keys
    assert outputs["signingKeys"] == {WRITER: before.signing_key}
    assert_nothing_was_lost(project, server, before)


def test_after_a_lost_passphrase_readers_trust_what_they_trusted(
    project: Project, server: LocalServer, before: Before
) -> None:
    """The public keys are read without it; writers get new keys, and nothing is deleted."""
    (project.folder / "passphrase").write_text("a new one")
    read, forget = commands("docs/operations/recovery.md", "Continue after a lost passphrase")
    reported = project.typed(f"{read} --json".replace("prod", STACK))
    public_keys: list[str] = json.loads(reported)
    assert public_keys == before.public_keys
    project.typed(forget.replace("prod", STACK))
    stack_file = project.stack_file
    lines = stack_file.read_text().splitlines()
    stack_file.write_text("\n".join(line for line in lines if "encryptionsalt" not in line) + "\n")

    project.pulumi("stack", "init", STACK)
    project.set(
        writers=[{"name": WRITER, "generation": 2, "trustedGenerations": []}],
        retiredPublicKeys=public_keys,
    )
    adopt(project)

    outputs = project.outputs(secrets=True)
    new, *old = outputs["publicKeys"]
    assert keys.names([new]) == ["cache.example.org-nixbuilder-2"]
    assert old == before.public_keys
    assert keys.verifies(outputs["signingKeys"][WRITER], new)
    assert_nothing_was_lost(project, server, before)


@pytest.fixture
def clone(tmp_path: Path, engine: toolchain_engine.Engine) -> Iterator[Clone]:
    """Provide a clone that is up, with two writers."""
    with cloned(tmp_path / "clone", engine) as made:
        made.configure(writers=[WRITER, "ci-bot"])
        made.dev("up")
        yield made


def test_a_leaked_credential_is_replaced_alone(clone: Clone) -> None:
    """With all that a user may have got by it; others keep theirs, and so does the cache."""
    before = clone.outputs()
    leaked, others = before["credentials"][WRITER], before["credentials"]["ci-bot"]
    temporary = _temporary(clone, leaked)
    _push(clone, **temporary)

    refused = run(clone, "renew", "no-such-user")
    assert refused.exit_code == 1
    assert "has no user 'no-such-user'; name one of: ci-bot, nixbuilder" in refused.output
    assert_plain_error(refused.output)
    assert run(clone, "renew", WRITER).exit_code == 0

    after = clone.outputs()
    assert after["credentials"]["ci-bot"] == others
    assert after["signingKeys"] == before["signingKeys"]
    _push(clone, **_pair(after["credentials"][WRITER]))
    _push(clone, **_pair(others))
    for gone, answer in ((_pair(leaked), "SignatureDoesNotMatch"), (temporary, "InvalidAccess")):
        with pytest.raises(ClientError, match=answer):
            _push(clone, **gone)
    assert run(clone, "drift").exit_code == 0


def _pair(credential: dict[str, str]) -> dict[str, str]:
    return {
        "access_key": credential["accessKeyId"],
        "secret_key": credential["secretAccessKey"],
    }


def _temporary(clone: Clone, credential: dict[str, str]) -> dict[str, Any]:
    """Return a credential of the kind that ends by itself, got by another one."""
    sts = boto3.client(
        "sts",
        endpoint_url=clone.connection.url,
        region_name="us-east-1",
        aws_access_key_id=credential["accessKeyId"],
        aws_secret_access_key=credential["secretAccessKey"],
    )
    got = sts.assume_role(RoleArn="arn:aws:iam::0:role/any", RoleSessionName="any")["Credentials"]
    return {
        "access_key": got["AccessKeyId"],
        "secret_key": got["SecretAccessKey"],
        "session_token": got["SessionToken"],
    }


def _push(clone: Clone, **credential: Any) -> None:
    client = s3_client(clone.connection.url, **credential)
    client.put_object(Bucket="nix-cache", Key="log/pushed", Body=b"by somebody")
