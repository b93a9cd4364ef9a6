"""Access logs of a cache on AWS: made with the deployer's policy alone, read, and taken away.

Only this module has the second bucket under the engine, and `nix-cache stats --traffic` on logs.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.engine.aws_deployer import BUCKET, project_of_deployer
from tests.engine.aws_patient import AwsPatient
from tests.engine.drift_command import drifted
from tests.engine.project import STACK, Project
from tests.fakes.aws_server import ACCOUNT, AwsServer, Credential
from tests.pages import commands
from tests.unit.cli.access_log_lines import log_line
from tools.bootstrap import ROOT
from tools.engine import Engine

LOGS = f"{BUCKET}-logs"
UP_SECONDS = 600.0
"""The provider itself waits for a minute until a lifecycle has settled."""

pytestmark = [pytest.mark.aws, pytest.mark.timeout(UP_SECONDS)]


@dataclass(frozen=True)
class LoggedCache:
    """A cache with access logs that is up, and the AWS that it is on."""

    project: Project
    aws: AwsServer

    @property
    def owner(self) -> Any:
        """An S3 client of a user who may do everything."""
        return self.aws.client("s3", self.aws.administrator)

    def run(self, *arguments: str) -> str:
        """Run a command of the engine that has to succeed."""
        return self.project.pulumi(*arguments, "--stack", STACK, timeout=UP_SECONDS)

    def log(self, **settings: Any) -> None:
        """Deploy with access logs, or, without settings, without them."""
        logs = {"accessLogs": settings} if settings else {}
        self.project.set(aws={"endpoint": self.aws.url, **logs})
        self.run("up", "--yes", "--skip-preview")


@pytest.fixture(scope="module")
def cache(
    tmp_path_factory: pytest.TempPathFactory, aws_engine: Engine, aws_server: AwsServer
) -> Iterator[LoggedCache]:
    """Provide a private cache with access logs; at the end nothing of it may be left."""
    folder = tmp_path_factory.mktemp("aws") / "project"
    project = project_of_deployer(folder, aws_engine, aws_server)
    project.set(
        backend="aws", domain="cache.example.org", bucket=BUCKET, protect=False, janitor=True
    )
    made = LoggedCache(project, aws_server)
    made.log(expireAfterDays=14)
    yield made
    made.run("destroy", "--yes", "--skip-preview")
    assert made.owner.list_buckets()["Buckets"] == []


def test_s3_delivers_logs_to_a_closed_bucket_for_some_days(cache: LoggedCache) -> None:
    s3 = cache.owner
    assert s3.get_bucket_logging(Bucket=BUCKET)["LoggingEnabled"] == {
        "TargetBucket": LOGS,
        "TargetPrefix": "access-logs/",
    }
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=LOGS)
    block = s3.get_public_access_block(Bucket=LOGS)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    delivery, tls_only = json.loads(s3.get_bucket_policy(Bucket=LOGS)["Policy"])["Statement"]
    assert delivery["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert delivery["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert tls_only["Effect"] == "Deny"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=LOGS)["Rules"]
    assert [rule["Expiration"]["Days"] for rule in rules if "Expiration" in rule] == [14]


def test_a_second_up_finds_nothing_to_do_and_nothing_has_drifted(cache: LoggedCache) -> None:
    cache.run("up", "--yes", "--refresh", "--skip-preview", "--expect-no-changes")
    assert drifted(cache.project) == set()


def test_the_policies_accept_the_second_bucket(cache: LoggedCache) -> None:
    reported = cache.run("preview", "--policy-pack", str(ROOT / "policies"))
    assert "nix-cache@v" in reported, "the pack was not asked"
    assert "[mandatory]" not in reported
    assert "aws-access-logs" not in reported


@pytest.mark.parametrize("user", ["nixbuilder", "nixreader", "janitor"])
def test_no_user_of_the_cache_reads_the_logs(cache: LoggedCache, user: str) -> None:
    cache.owner.put_object(Bucket=LOGS, Key="access-logs/x", Body=b"x")
    pair = cache.project.outputs(secrets=True)["credentials"][user]
    client = cache.aws.client("s3", Credential(pair["accessKeyId"], pair["secretAccessKey"]))
    for call, more in ((client.list_objects_v2, {}), (client.get_object, {"Key": "access-logs/x"})):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(Bucket=LOGS, **more)


def stats(
    cache: LoggedCache, home: Path, pair: Credential, *options: str
) -> "subprocess.CompletedProcess[str]":
    """Run `nix-cache stats --traffic` for a day of 2019 with a key pair, as its user does."""
    server: Any = None  # nothing here asks MinIO
    patient = AwsPatient(server, cache.project.outputs(), home, aws=cache.aws)
    (home / ".aws" / "credentials").write_text(
        f"[owner]\naws_access_key_id = {pair.access_key_id}\n"
        f"aws_secret_access_key = {pair.secret_access_key}\n"
    )
    day = ("--since", "2019-11-26T00:00Z", "--until", "2019-11-27T00:00Z")
    source = str(patient.source())
    return patient.command("stats", source, "--traffic", "--owner", "owner", *day, *options)


def test_traffic_is_read_from_the_logs_by_their_owner(cache: LoggedCache, tmp_path: Path) -> None:
    """In the lines that AWS documents, as moto delivers none of the requests of clients."""
    reader = "arn:aws:iam::123456789012:user/example-org-nix-cache-nixreader"
    lines = [
        log_line("x.narinfo", bucket=BUCKET, requester=reader, sent=612),
        log_line("nar/x.nar.zst", bucket=BUCKET, requester=reader, sent=1_000_000),
        log_line("y.narinfo", bucket=BUCKET, status=403, error="AccessDenied"),
        b"not a line of a log",
    ]
    s3 = cache.owner
    for number, line in enumerate(lines):
        key = f"access-logs/2019-11-26-09-00-0{number}-0123456789ABCDEF"
        s3.put_object(Bucket=LOGS, Key=key, Body=line + b"\n")

    done = stats(cache, tmp_path / "home", cache.aws.administrator, "--json")

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["requests"], found["hitRate"], found["narBytes"]) == (3, 0.5, 1_000_000)
    assert found["byClient"][f"{BUCKET}-nixreader"]["requests"] == 2
    assert (found["anonymous"]["requests"], found["unreadableLines"]) == (1, 1)


def test_traffic_is_refused_to_a_user_of_the_cache(cache: LoggedCache, tmp_path: Path) -> None:
    pair = cache.project.outputs(secrets=True)["credentials"]["janitor"]
    janitor = Credential(pair["accessKeyId"], pair["secretAccessKey"])

    done = stats(cache, tmp_path / "home", janitor)

    assert done.returncode == 1
    assert f"may not list and read access logs in the bucket {LOGS}" in done.stderr
    assert "Traceback" not in done.stderr


def refused(cache: LoggedCache, *options: str) -> str:
    """Return what an update prints that has to fail."""
    result = cache.project.run("up", "--yes", *options, "--stack", STACK, timeout=UP_SECONDS)
    assert result.exit_code == 1, result.output
    return result.output


def is_closed_and_expires(s3: Any) -> bool:
    """Return whether the log bucket still has its rules; it is an error if it does not exist."""
    try:
        block = s3.get_public_access_block(Bucket=LOGS)["PublicAccessBlockConfiguration"]
        rules = s3.get_bucket_lifecycle_configuration(Bucket=LOGS)["Rules"]
        s3.get_bucket_policy(Bucket=LOGS)
    except ClientError as missing:
        if missing.response["Error"]["Code"] == "NoSuchBucket":
            raise
        return False
    return all(block.values()) and any("Expiration" in rule for rule in rules)


def test_in_a_protected_cache_logging_does_not_end_and_no_log_is_lost(cache: LoggedCache) -> None:
    """Also without a preview, and after the command that the engine proposes."""
    s3 = cache.owner
    cache.project.set(protect=True)
    cache.log(expireAfterDays=14)
    s3.put_object(Bucket=LOGS, Key="access-logs/old", Body=b"x")
    before = cache.project.resources()
    without = {"endpoint": cache.aws.url}
    try:
        cache.project.set(aws=without)
        for options in ([], ["--skip-preview"]):
            said = refused(cache, *options)
            assert "nix-cache-logging" in said
            assert "because it is protected" in said
        assert cache.project.resources().keys() == before.keys()
        assert is_closed_and_expires(s3)
        assert "LoggingEnabled" in s3.get_bucket_logging(Bucket=BUCKET)

        for name in ("nix-cache-logging", "nix-cache-log-bucket"):
            cache.run("state", "unprotect", before[name]["urn"], "--yes")
        assert "BucketNotEmpty" in refused(cache, "--skip-preview")
        assert s3.get_object(Bucket=LOGS, Key="access-logs/old")
        assert is_closed_and_expires(s3)
    finally:
        cache.project.set(protect=False)
        cache.log(expireAfterDays=14)
    assert cache.project.resources().keys() == before.keys()
    assert is_closed_and_expires(s3)
    assert "LoggingEnabled" in s3.get_bucket_logging(Bucket=BUCKET)


def test_the_logs_go_in_two_steps_and_the_cache_stays_protected(cache: LoggedCache) -> None:
    """By the page: without protection first, as here; then with it and without the setting."""
    s3 = cache.owner
    s3.put_object(Bucket=LOGS, Key="access-logs/old", Body=b"x")

    cache.project.set(protect=True)
    cache.log()

    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=BUCKET)
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [BUCKET]
    assert s3.get_object(Bucket=BUCKET, Key="nix-cache-info")
    assert cache.project.outputs()["manifest"]["accessLogs"] is None
    assert cache.project.resources()["nix-cache-bucket"]["protect"]


def test_a_log_bucket_that_exists_is_refused_and_then_adopted_with_its_logs(
    cache: LoggedCache,
) -> None:
    """Such as one that an earlier stack left, by the commands of the page on adoption."""
    s3 = cache.owner
    cache.project.set(protect=False)
    cache.log()
    s3.create_bucket(Bucket=LOGS)
    s3.put_object(Bucket=LOGS, Key="access-logs/old", Body=b"x")
    before = cache.project.resources()

    cache.project.set(aws={"endpoint": cache.aws.url, "accessLogs": {}})

    said = refused(cache)
    assert "Nothing was changed." in said
    for output in (said, refused(cache, "--skip-preview")):
        assert f"the bucket '{LOGS}' exists already in this account" in output
    assert cache.project.resources().keys() == before.keys()
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=BUCKET)
    assert not is_closed_and_expires(s3)

    enable, begin = commands("docs/operations/adoption.md", "Write the import file")
    *adopt, end = commands("docs/operations/adoption.md", "Import the resources")
    cache.run("stack", "select")
    cache.project.typed(enable)
    cache.project.typed(begin)
    file = cache.project.folder / "import.json"
    written = json.loads(file.read_text())
    entries = [one for one in written["resources"] if one["name"] == "nix-cache-log-bucket"]
    file.write_text(json.dumps({**written, "resources": [{**entries[0], "id": LOGS}]}))
    for line in [*adopt, end]:
        cache.project.typed(line, timeout=UP_SECONDS)

    assert s3.get_object(Bucket=LOGS, Key="access-logs/old")
    assert is_closed_and_expires(s3)
    assert "LoggingEnabled" in s3.get_bucket_logging(Bucket=BUCKET)
    assert cache.project.outputs()["manifest"]["accessLogs"]["bucket"] == LOGS
    cache.run("preview", "--expect-no-changes")
