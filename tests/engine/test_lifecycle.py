"""Expiry on MinIO: the rules that the server keeps, and what it announces for single objects.

Only a real server shows that it takes all rules, changes and removes them, and reads them as meant.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from nix_cache.iam.lifecycle import NARINFO_TTL_DAYS, NIX32, expiry_rules
from tests.engine.project import Project
from tests.engine.s3 import s3_client
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OWN = ("nix-cache-info", "index.html", "nix-cache.json")
"""The cache's metadata."""


@dataclass(frozen=True)
class History:
    """The rules on the server after each of five runs.

    Attributes:
        never: before expiry was ever asked for.
        rules: by days, when it was asked for, first after 45, then after 60.
        off: when it was taken back.
        on_again: after 45 days again, which is how the server stays.
        root: a client of the server's administrator.
    """

    never: list[dict[str, Any]] | None
    rules: dict[int, list[dict[str, Any]]]
    off: list[dict[str, Any]] | None
    on_again: list[dict[str, Any]] | None
    root: "S3Client"


def rules_on(root: "S3Client") -> list[dict[str, Any]] | None:
    """Return the bucket's rules, or None if it has no lifecycle configuration at all."""
    try:
        answer = root.get_bucket_lifecycle_configuration(Bucket="nix-cache")
    except ClientError as refusal:
        if refusal.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        return None
    return [dict(rule) for rule in answer["Rules"]]


@pytest.fixture(scope="module")
def history(module_project: Project, module_server: LocalServer) -> History:
    """Expiry off, on, changed, off and on."""
    connection = module_server.connection()
    root = s3_client(module_server.url, connection.user, connection.password)

    def run(days: int | None) -> list[dict[str, Any]] | None:
        module_project.set(expireAfterDays=days)
        module_project.up()
        return rules_on(root)

    never, first, changed, off, on_again = (run(days) for days in (None, 45, 60, 0, 45))
    return History(never, {45: first or [], 60: changed or []}, off, on_again, root)


def test_nothing_expires_unless_asked(history: History) -> None:
    """No lifecycle configuration at all, before it was asked for and after it was taken back."""
    assert history.never is None
    assert history.off is None


def test_expiry_comes_back_as_it_was(history: History) -> None:
    """After it was off."""
    assert history.on_again == history.rules[45]


@pytest.mark.parametrize("days", [45, 60])
def test_minio_keeps_exactly_the_rules_that_are_declared(history: History, days: int) -> None:
    """What those match is tested without a server; a rule of another kind would escape that."""
    declared = {rule.id: (rule.prefix, rule.days) for rule in expiry_rules(days)}

    assert {
        rule["ID"]: (rule["Filter"]["Prefix"], rule["Expiration"]["Days"])
        for rule in history.rules[days]
    } == declared
    for rule in history.rules[days]:
        assert set(rule) == {"ID", "Status", "Filter", "Expiration"}
        assert (rule["Status"], set(rule["Filter"])) == ("Enabled", {"Prefix"})
        assert set(rule["Expiration"]) == {"Days"}


@pytest.mark.parametrize("first", NIX32)
def test_minio_announces_the_expiry_of_a_narinfo(history: History, first: str) -> None:
    """The server's own reading of its rules, for a hash of each first letter."""
    expected = datetime.now(UTC) + timedelta(days=45)

    assert abs(announced(history.root, f"{first:z<32}.narinfo") - expected) < timedelta(days=2)


def test_minio_announces_a_later_expiry_of_a_nar(history: History) -> None:
    """The same for what narinfos name."""
    expected = datetime.now(UTC) + timedelta(days=45 + NARINFO_TTL_DAYS)

    assert abs(announced(history.root, "nar/x.nar.zst") - expected) < timedelta(days=2)


@pytest.mark.parametrize("key", OWN)
def test_minio_announces_no_expiry_of_the_caches_metadata(history: History, key: str) -> None:
    """All three are there, and stay."""
    assert "Expiration" not in history.root.head_object(Bucket="nix-cache", Key=key)


def announced(root: "S3Client", key: str) -> datetime:
    """When the server says that it will remove an object, which is put for that."""
    root.put_object(Bucket="nix-cache", Key=key, Body=b"anything")
    header = root.head_object(Bucket="nix-cache", Key=key)["Expiration"]
    return parsedate_to_datetime(header.split('"')[1])
