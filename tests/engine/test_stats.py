"""`nix-cache stats` on a real MinIO. `tests/unit/cli/test_stats.py` shows what counts how."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.engine.patient import OWNER, TIMEOUT_SECONDS, Patient
from tests.engine.project import public_cache
from tests.engine.s3 import s3_client
from tools.engine import Engine
from tools.server import LocalServer


@pytest.fixture(scope="module")
def patient(module_folder: Path, engine: Engine, module_server: LocalServer) -> Patient:
    """Provide a public cache."""
    project = public_cache(module_folder / "cache", engine, module_folder / "minio")
    project.up()
    return Patient(module_server, project.outputs(secrets=True), module_folder / "home")


def test_the_figures_are_those_of_the_bucket(patient: Patient) -> None:
    small, large = patient.new_path("small"), patient.new_path("large", content=bytes(1_000_000))
    with patient.having(small, large):
        source, file = str(patient.source()), patient.home / "nix-cache.prom"
        done = patient.command(
            "stats", source, "--owner", OWNER, "--json", "--prometheus", str(file)
        )
        listed = patient.root.list_objects_v2(Bucket=patient.bucket)["Contents"]
        shown = patient.command("stats", source, "--owner", OWNER)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["paths"] == 2
    assert result["bytes"] == sum(one["Size"] for one in listed)
    assert result["storedNarBytes"] == len(small.nar) + len(large.nar)
    assert result["narBytes"] == small.info.nar_size + large.info.nar_size
    key = patient.outputs["manifest"]["keyNames"]["nixbuilder"]
    assert result["byKey"][key]["paths"] == 2
    assert {one["path"] for one in result["largest"]} == {
        small.info.store_path,
        large.info.store_path,
    }
    families = {one.name: one for one in text_string_to_metric_families(file.read_text())}
    assert families["nix_cache_paths"].samples[0].value == 2
    assert families["nix_cache_paths"].samples[0].labels == {"cache": patient.bucket}
    assert large.info.store_path in shown.stdout
    assert key in shown.stdout


def live(patient: Patient, *options: str) -> "subprocess.Popen[str]":
    """Start to follow the requests, and return when the server reports them."""
    running = subprocess.Popen(
        [sys.executable, "-m", "nix_cache.cli", "stats", str(patient.source()), "--live", *options],
        env=patient.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr
    first = running.stderr.readline()
    if "Requests to the bucket" not in first:
        rest = running.communicate(timeout=TIMEOUT_SECONDS)[1]
        pytest.fail(first + rest)
    return running


def read(patient: Patient) -> None:
    """Read a narinfo that is there, one that is not, and a hostile key without a credential."""
    writer = patient.outputs["credentials"]["nixbuilder"]
    named = s3_client(patient.server.url, writer["accessKeyId"], writer["secretAccessKey"])
    named.get_object(Bucket=patient.bucket, Key="nix-cache-info")["Body"].read()
    anonymous = s3_client(patient.server.url)
    for key in ("\x1b[31m\nred.narinfo", "0" * 32 + ".narinfo"):
        with pytest.raises(anonymous.exceptions.ClientError):
            anonymous.get_object(Bucket=patient.bucket, Key=key)


def test_requests_are_printed_while_the_server_answers_them(patient: Patient) -> None:
    path = patient.new_path("live")
    with patient.having(path):
        running = live(patient, "--owner", OWNER)
        assert running.stdout
        anonymous = s3_client(patient.server.url)
        content = anonymous.get_object(Bucket=patient.bucket, Key=path.info.key)["Body"].read()
        read(patient)
        lines = [running.stdout.readline() for _ in range(4)]
        running.send_signal(signal.SIGINT)
        summary, err = running.communicate(timeout=TIMEOUT_SECONDS)
    assert running.returncode == 130, err
    assert path.info.key in lines[0]
    assert "  200  " in lines[0]
    assert patient.user_name("nixbuilder") in lines[1]
    assert "red.narinfo" in lines[2]
    assert not {"\x1b", "\r"} & set("".join(lines) + summary)
    assert "4 requests" in summary
    assert "Narinfos: 1 of 3 found (33.3%)" in summary
    assert "Signature" not in "".join(lines) + summary + err
    assert len(content) < 1000


def test_the_summary_for_programs_ends_after_some_seconds(patient: Patient) -> None:
    running = live(patient, "--owner", OWNER, "--json", "--for", "3")
    read(patient)
    out, err = running.communicate(timeout=TIMEOUT_SECONDS)
    assert running.returncode == 0, err
    result = json.loads(out)
    assert (result["requests"], result["absentNarinfos"], result["hitRate"]) == (3, 2, 0)
    events = [json.loads(line) for line in err.splitlines()]
    assert [one["method"] for one in events] == ["GET"] * 3
    name = patient.user_name("nixbuilder")
    assert events[0]["client"] == name
    assert result["byClient"][name]["sentBytes"] == events[0]["sentBytes"] > 0


def test_only_an_administrator_follows_requests(patient: Patient) -> None:
    writer = patient.outputs["credentials"]["nixbuilder"]
    with (patient.home / ".aws" / "credentials").open("a") as file:
        file.write(
            f"[no-admin]\naws_access_key_id = {writer['accessKeyId']}\n"
            f"aws_secret_access_key = {writer['secretAccessKey']}\n"
        )
    done = patient.command("stats", str(patient.source()), "--live", "--owner", "no-admin")
    assert done.returncode == 1
    assert "may not read the trace" in done.stderr
    assert "admin:ServerTrace" in done.stderr
    assert done.stdout == ""
