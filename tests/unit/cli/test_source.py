"""Where the client takes a cache's manifest from: files, pipes and stacks."""

import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nix_cache.cli.caches.source import is_stack, load, parse
from nix_cache.cli.errors import ClientError, UsageError
from tests.unit.cli import client_caches
from tests.unit.cli.client_caches import KEY, READER, WRITER, outputs
from tools.bootstrap import ROOT


def test_a_file_gives_manifest_and_secrets(tmp_path: Path) -> None:
    """All outputs of a stack."""
    found = load(client_caches.write(tmp_path / "o.json", outputs(public=False)))

    assert found.manifest.bucket == "demo"
    assert found.signing_keys == {WRITER: KEY.secret_text}
    assert found.credentials[READER].secret_access_key == "secret-of-nixreader"


def test_the_outputs_of_a_stack_of_0_1_0_are_read(tmp_path: Path) -> None:
    """There the manifest is the output `cache`."""
    reported = outputs(public=False)
    old = {"cache": reported["manifest"], **{k: v for k, v in reported.items() if k != "manifest"}}

    found = load(client_caches.write(tmp_path / "old.json", old))

    assert found == load(client_caches.write(tmp_path / "new.json", reported))


def test_the_output_manifest_counts_where_its_former_name_is_there_too() -> None:
    """A stack has both, and they are one value; a program that exports them may differ."""
    reported = {**outputs(), "cache": outputs(bucket="another")["manifest"]}

    assert parse(json.dumps(reported), "test").manifest.bucket == "demo"


def test_the_output_manifest_alone_has_no_secrets(tmp_path: Path) -> None:
    """It is what the bucket carries."""
    found = load(client_caches.write(tmp_path / "o.json", outputs()["manifest"]))

    assert (found.signing_keys, found.credentials) == ({}, {})


def test_secrets_do_not_show_in_what_is_printed_of_a_source() -> None:
    """A log or a traceback may print it."""
    shown = repr(parse(json.dumps(outputs(public=False)), "test"))

    assert KEY.secret_text not in shown
    assert "secret-of-nixreader" not in shown
    assert "secret-of-nixreader" not in repr(client_caches.source(public=False).credentials)


def test_masked_secrets_count_as_missing() -> None:
    """`pulumi stack output --json` without `--show-secrets` writes them so."""
    found = parse(json.dumps({**outputs(), "signingKeys": "[secret]"}), "test")

    assert found.signing_keys == {}


def test_a_wrong_credential_is_named_and_not_reported() -> None:
    """The message has the field and nothing of its value."""
    reported = {**outputs(), "credentials": {WRITER: {"accessKeyId": ["hunter2"]}}}

    with pytest.raises(UsageError, match="describes no cache") as refused:
        parse(json.dumps(reported), "test")
    assert "hunter2" not in str(refused.value)


def test_a_named_pipe_is_a_file(tmp_path: Path) -> None:
    """`nix-cache use <(pulumi stack output …)` gives one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = json.dumps(outputs())
    writing = threading.Thread(target=pipe.write_text, args=[text])
    writing.start()

    assert not is_stack(str(pipe))
    assert load(str(pipe)).manifest.bucket == "demo"
    writing.join()


def test_standard_input_in_another_encoding_is_reported(tmp_path: Path) -> None:
    """And not met with a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "nix_cache.cli", "use", "-"],
        input=b"\xff\xfe{",
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "NIX_CONF_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )

    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard input is not JSON; ")


@pytest.mark.parametrize("name", ["gone.json", "./gone", "/gone/o"])
def test_a_missing_file_is_not_taken_for_a_stack(name: str) -> None:
    """No engine is asked for it."""
    with pytest.raises(UsageError, match=f"{name} is not a file"):
        load(name)


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    """A folder is none."""
    with pytest.raises(UsageError, match="is not a file"):
        load(str(tmp_path))


def test_without_an_engine_a_stacks_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what it was taken for."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(UsageError, match="there is no pulumi on PATH"):
        load("dev")


def test_what_the_engine_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first line, for the rest is advice about the engine."""
    pulumi = tmp_path / "pulumi"
    said = "error: no stack named 'dev' found"
    pulumi.write_text(f"#!/bin/sh\necho {shlex.quote(said)} >&2\nexit 1\n")
    pulumi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")

    with pytest.raises(ClientError, match="could not be asked: no stack named 'dev' found; check"):
        load("dev", project=ROOT)
    with pytest.raises(ClientError, match="could not be asked: no stack named 'dev' found; check"):
        load("team/project/dev", project=tmp_path)
    # The engine names an option there that the user did not give.
    with pytest.raises(ClientError, match="is not the folder of a Pulumi program; run this in"):
        load("dev", project=tmp_path)
