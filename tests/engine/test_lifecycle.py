"""Expiry, by the rules that MinIO itself returns and by what it says of single objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from dev.server import LocalServer
from tests.engine.project import Project
from tests.engine.s3 import s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NIX32 = "0123456789abcdfghijklmnpqrsvwxyz"
NARINFO_TTL_DAYS = 30
"""How long a client may go on believing a narinfo that it has seen."""

OWN = ("nix-cache-info", "index.html", "nix-cache.json")
"""What the cache says of itself."""

hashes = st.text(alphabet=NIX32, min_size=32, max_size=32)


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
    """The bucket's rules, or None if it has no lifecycle configuration at all."""
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


def matching(rules: list[dict[str, Any]], key: str) -> Iterator[int]:
    """The days after which each rule that matches a key removes it."""
    for rule in rules:
        if key.startswith(rule["Filter"]["Prefix"]):
            yield rule["Expiration"]["Days"]


def test_nothing_expires_unless_asked(history: History) -> None:
    """No lifecycle configuration at all, before it was asked for and after it was taken back."""
    assert history.never is None
    assert history.off is None


def test_expiry_comes_back_as_it_was(history: History) -> None:
    """After it was off."""
    assert history.on_again == history.rules[45]


@pytest.mark.parametrize("days", [45, 60])
def test_every_rule_is_enabled_and_removes_by_prefix_and_age_alone(
    history: History, days: int
) -> None:
    """A rule of another kind would escape the tests below."""
    assert len(history.rules[days]) > 1
    for rule in history.rules[days]:
        assert set(rule) == {"ID", "Status", "Filter", "Expiration"}
        assert rule["Status"] == "Enabled"
        assert set(rule["Filter"]) == {"Prefix"}
        assert rule["Filter"]["Prefix"]
        assert rule["Expiration"] in ({"Days": days}, {"Days": days + NARINFO_TTL_DAYS})


@pytest.mark.parametrize("key", OWN)
@pytest.mark.parametrize("days", [45, 60])
def test_no_rule_matches_what_the_cache_says_of_itself(
    history: History, days: int, key: str
) -> None:
    """Without nix-cache-info, Nix stops or writes one of its own."""
    assert list(matching(history.rules[days], key)) == []


@pytest.mark.parametrize("days", [45, 60])
@given(store_hash=hashes)
def test_every_narinfo_is_matched_by_exactly_one_rule(
    history: History, days: int, store_hash: str
) -> None:
    """Whatever its hash, and the listing beside it too."""
    assert list(matching(history.rules[days], f"{store_hash}.narinfo")) == [days]
    assert list(matching(history.rules[days], f"{store_hash}.ls")) == [days]


@pytest.mark.parametrize("days", [45, 60])
@given(
    beginning=st.sampled_from(["n", "na", "nar", "ni", "nix", "nix0", "i", "in", "ind", "indx"]),
    rest=hashes,
)
def test_a_narinfo_that_begins_like_a_spared_name_is_matched_too(
    history: History, days: int, beginning: str, rest: str
) -> None:
    """Random hashes hardly ever begin with more than one letter of such a name."""
    store_hash = (beginning + rest)[:32]

    assert list(matching(history.rules[days], f"{store_hash}.narinfo")) == [days]


@pytest.mark.parametrize("days", [45, 60])
@given(name=st.text(max_size=60))
def test_a_nar_outlives_every_narinfo_that_clients_still_believe(
    history: History, days: int, name: str
) -> None:
    """By the time for which a client keeps a narinfo."""
    found = list(matching(history.rules[days], f"nar/{name}"))

    assert found
    assert min(found) >= days + NARINFO_TTL_DAYS


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
def test_minio_announces_no_expiry_of_what_the_cache_says_of_itself(
    history: History, key: str
) -> None:
    """All three are there, and stay."""
    assert "Expiration" not in history.root.head_object(Bucket="nix-cache", Key=key)


def announced(root: "S3Client", key: str) -> datetime:
    """When the server says that it will remove an object, which is put for that."""
    root.put_object(Bucket="nix-cache", Key=key, Body=b"anything")
    header = root.head_object(Bucket="nix-cache", Key=key)["Expiration"]
    return parsedate_to_datetime(header.split('"')[1])
