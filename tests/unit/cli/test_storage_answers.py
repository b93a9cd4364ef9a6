"""Answers of a storage that are not S3's, over real connections."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as StorageError

from nix_cache.cli.doctor import expiry
from nix_cache.cli.doctor.finding import Level
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.owner import owner_client
from nix_cache.cli.s3.storage_answers import MalformedAnswerError
from tests.unit.cli import client_caches
from tests.unit.cli.misbehaving import answer, misbehaving

_OWNER = Credential(access_key_id="owner", secret_access_key="secret-of-the-owner")


def asked(ask: Callable[[Any], Any], body: bytes, status: str = "200 OK") -> Any:
    """Ask a storage that answers everything in one way."""
    with misbehaving(lambda _, line, __: line.sendall(answer(body, status))) as server:
        description = client_caches.description(endpoint=server.url)
        return ask(owner_client(description, _OWNER))


@pytest.mark.parametrize(
    "body",
    [
        b"<ListBucketResult><Contents><Size></Size></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><LastModified>soon</LastModified></Contents>"
        b"</ListBucketResult>",
        b"<ListBucketResult><KeyCount>many</KeyCount></ListBucketResult>",
        b"<ListBucketResult><Contents><LastModified>" + b"9" * 30 + b"</LastModified></Contents>"
        b"</ListBucketResult>",
        b"<ListBucketResult><Prefix>a</Prefix><Prefix>b</Prefix><EncodingType>url</EncodingType>"
        b"</ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key><Key>b</Key></Contents></ListBucketResult>",
    ],
)
def test_an_answer_that_is_not_of_s3_is_one_error(body: bytes) -> None:
    """Which all callers handle as they handle a storage that does not answer."""
    with pytest.raises(MalformedAnswerError, match="is not that of an S3 storage") as failure:
        asked(lambda s3: s3.list_objects_v2(Bucket="demo"), body)

    assert isinstance(failure.value, BotoCoreError)


@pytest.mark.parametrize("body", [b"<html><body>parked</body></html", b"not XML"])
def test_an_answer_that_is_not_xml_is_a_failure_of_the_server(body: bytes) -> None:
    """That is how botocore sees it."""
    with pytest.raises(StorageError) as failure:
        asked(lambda s3: s3.list_objects_v2(Bucket="demo"), body)

    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.parametrize(
    "body",
    [
        b"<Error><Code>AccessDenied</Code><Code>AccessDenied</Code></Error>",
        b"<Error><Code><a>AccessDenied</a></Code></Error>",
        b"<Error><Code>",
        b"<html>forbidden</html>",
    ],
)
def test_a_refusal_in_odd_words_is_a_refusal(body: bytes) -> None:
    """Its code is text, the status if there is no other."""
    with pytest.raises(StorageError) as refusal:
        asked(lambda s3: s3.list_objects_v2(Bucket="demo"), body, "403 Forbidden")

    assert isinstance(refusal.value.response["Error"].get("Code", ""), str)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


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
        description = client_caches.description(endpoint=server.url)
        found = list(expiry.lifecycle(Subject(description, owner=_OWNER)))

    assert found[0].level is level
