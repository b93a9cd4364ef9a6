"""Answers of a storage that are not S3's, over real connections."""

from collections.abc import Callable
from typing import Any

import pytest

from nix_cache.cli.doctor import expiry
from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3 import answers
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.errors import AnsweredError, MalformedAnswerError
from nix_cache.cli.s3.transport import Transport
from tests.unit.cli import client_caches
from tests.unit.cli.misbehaving import answer, misbehaving

_OWNER = Credential(access_key_id="owner", secret_access_key="secret-of-the-owner")


def asked(ask: Callable[[Any], Any], body: bytes, status: str = "200 OK") -> Any:
    """Ask a storage that answers everything in one way."""
    with misbehaving(lambda _, line, __: line.sendall(answer(body, status))) as server:
        manifest = client_caches.manifest(endpoint=server.url)
        return ask(S3Client.of(manifest, _OWNER, Transport()))


@pytest.mark.parametrize(
    "body",
    [
        b"<ListBucketResult><Contents><Size></Size></Contents></ListBucketResult>",
        b"<ListBucketResult><KeyCount>many</KeyCount></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated><IsTruncated/></ListBucketResult>",
        b"<ListBucketResult><Contents><Key><a>a</a></Key></Contents></ListBucketResult>",
        b"<ListBucketResult><KeyCount>" + b"9" * 4301 + b"</KeyCount></ListBucketResult>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult>&b;</ListBucketResult>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]><ListBucketResult/>".encode("utf-16"),
        b"<ListBucketResult>",
        b"<DeleteResult/>",
        b"not XML",
        b"",
        b"<ListBucketResult><Contents><Key>a</Key><Key>b</Key></Contents></ListBucketResult>",
    ],
)
def test_an_answer_that_is_not_of_s3_is_one_error(body: bytes) -> None:
    """Which all callers handle as they handle other errors of a storage."""
    with pytest.raises(MalformedAnswerError, match="is not that of an S3 storage"):
        asked(lambda s3: s3.page(), body)


@pytest.mark.parametrize(
    "body",
    [
        b"<Error><Code>AccessDenied</Code><Code>AccessDenied</Code></Error>",
        b"<Error><Code><a>AccessDenied</a></Code></Error>",
        b"<Error><Code>",
        b"forbidden",
    ],
)
def test_a_refusal_in_odd_words_is_a_refusal(body: bytes) -> None:
    """Its code is text, the status if there is no other."""
    with pytest.raises(AnsweredError) as refusal:
        asked(lambda s3: s3.page(), body, "403 Forbidden")

    assert refusal.value.code in {"AccessDenied", "403"}
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("body", "level"),
    [
        (b"not XML", Level.NOT_CHECKED),
        (b"<LifecycleConfiguration/>", Level.OK),
        (
            b"<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix>x</Prefix>"
            b"<Prefix>y</Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule>"
            b"</LifecycleConfiguration>",
            Level.NOT_CHECKED,
        ),
        (
            b"<LifecycleConfiguration><Rule><Expiration><Days>1</Days></Expiration></Rule>"
            b"</LifecycleConfiguration>",
            Level.ERROR,
        ),
    ],
)
def test_doctor_judges_an_odd_lifecycle_as_one_that_removes_the_most(
    body: bytes, level: Level
) -> None:
    """What it cannot read at all it has not checked."""
    with misbehaving(lambda _, line, __: line.sendall(answer(body))) as server:
        manifest = client_caches.manifest(endpoint=server.url)
        found = list(expiry.lifecycle(Subject(manifest, owner=_OWNER)))

    assert found[0].level is level


def _listed(kind: str, key: str, version: str, second: int, *, latest: bool = False) -> str:
    """Return one entry of a listing of versions."""
    return (
        f"<{kind}><Key>{key}</Key><VersionId>{version}</VersionId>"
        f"<LastModified>2026-11-27T10:00:{second:02}.000Z</LastModified>"
        f"<IsLatest>{str(latest).lower()}</IsLatest></{kind}>"
    )


_ENTRIES = [
    _listed("Version", "again", "a3", 30, latest=True),
    _listed("DeleteMarker", "again", "a2", 20),
    _listed("Version", "again", "a1", 10),
    _listed("DeleteMarker", "hidden", "h2", 20, latest=True),
    _listed("Version", "hidden", "h1", 10),
    _listed("DeleteMarker", "same-second", "s2", 10, latest=True),
    _listed("Version", "same-second", "s1", 10),
]


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param(_ENTRIES, id="in one order, as on AWS and MinIO"),
        pytest.param(sorted(_ENTRIES), id="markers first, as on B2"),
        pytest.param(sorted(_ENTRIES, key=lambda one: one[1] == "D"), id="versions first"),
    ],
)
def test_versions_are_listed_by_key_and_the_newest_first(entries: list[str]) -> None:
    """So that an object that was put again after its deletion is not taken for a deleted one."""
    body = f"<ListVersionsResult>{''.join(entries)}</ListVersionsResult>"

    found = answers.version_page(body.encode()).versions

    assert [one.version for one in found] == ["a3", "a2", "a1", "h2", "h1", "s2", "s1"]
