"""What anonymous clients, a writer and a reader can do on MinIO, by plain HTTP and S3.

Only a real server shows how the policies of a public and of a private cache are applied. What users
are refused is in `test_refusals.py`.
"""

from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from tests.engine.two_caches import NAR, NARINFO, PRIVATE, PUBLIC, WRITABLE, TwoCaches

MISSING = f"{'z' * 32}.narinfo"
PART = b"p" * (5 << 20)
"""S3's smallest part, but for the last one."""


def anonymously(caches: TwoCaches, method: str, path: str, **request: Any) -> Any:
    """Return the status of an anonymous request for a path."""
    return urllib3.request(method, caches.url + path, retries=False, timeout=10, **request)


def test_nix_cache_info_has_exactly_its_three_lines_and_its_type(caches: TwoCaches) -> None:
    """As Nix reads it from a public cache, without a credential."""
    answer = anonymously(caches, "GET", f"/{PUBLIC}/nix-cache-info")

    assert answer.status == 200
    assert answer.data == b"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"
    assert answer.headers["Content-Type"] == "text/x-nix-cache-info"


def test_nix_cache_info_has_other_values_than_the_default_ones(caches: TwoCaches) -> None:
    """And a reader of a private cache gets it under the same type."""
    answer = caches.client("private.cache-team-reader").get_object(
        Bucket=PRIVATE, Key="nix-cache-info"
    )

    assert answer["Body"].read() == b"StoreDir: /gnu/store\nWantMassQuery: 0\nPriority: 30\n"
    assert answer["ContentType"] == "text/x-nix-cache-info"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_missing_narinfo_is_absent_for_anonymous_requests(caches: TwoCaches, method: str) -> None:
    """Nix takes both answers for "not here" and goes on to the next cache."""
    assert anonymously(caches, method, f"/{PUBLIC}/{MISSING}").status in (403, 404)


@pytest.mark.parametrize(
    ("bucket", "user"),
    [
        (PUBLIC, "nixbuilder"),
        (PUBLIC, "team-reader"),
        (PRIVATE, "private.cache-nixbuilder"),
        (PRIVATE, "private.cache-team-reader"),
    ],
)
def test_a_missing_narinfo_is_an_absence_to_users(
    caches: TwoCaches, bucket: str, user: str
) -> None:
    """A writer's client asks for each narinfo before it uploads one."""
    with pytest.raises(ClientError) as absence:
        caches.client(user).head_object(Bucket=bucket, Key=MISSING)

    assert absence.value.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"/{PUBLIC}"),
        ("GET", f"/{PUBLIC}/"),
        ("HEAD", f"/{PUBLIC}"),
        ("GET", f"/{PUBLIC}?list-type=2"),
        ("GET", f"/{PUBLIC}?prefix=nar/"),
        ("GET", f"/{PUBLIC}?list-type=2&prefix=nar/&delimiter=/"),
        ("GET", f"/{PUBLIC}?uploads"),
        ("GET", f"/{PUBLIC}?versions"),
        ("GET", f"/{PUBLIC}?policy"),
        ("GET", f"/{PUBLIC}?lifecycle"),
        ("GET", f"/{PUBLIC}/{NAR}?tagging"),
        ("PUT", f"/{PUBLIC}/{NARINFO}"),
        ("PUT", f"/{PUBLIC}/{NAR}"),
        ("PUT", f"/{PUBLIC}/nix-cache-info"),
        ("PUT", f"/{PUBLIC}/index.html"),
        ("PUT", f"/{PUBLIC}/nix-cache.json"),
        ("PUT", "/a-new-bucket"),
        ("POST", f"/{PUBLIC}/{NAR}?uploads"),
        ("DELETE", f"/{PUBLIC}/{NAR}"),
        ("DELETE", f"/{PUBLIC}/nix-cache-info"),
        ("DELETE", f"/{PUBLIC}/index.html"),
        ("DELETE", f"/{PUBLIC}/nix-cache.json"),
        ("DELETE", f"/{PUBLIC}"),
        ("GET", "/minio/admin/v3/list-users"),
        ("GET", "/minio/v2/metrics/cluster"),
        ("GET", f"/{PRIVATE}/nix-cache-info"),
        ("HEAD", f"/{PRIVATE}/nix-cache-info"),
        ("GET", f"/{PRIVATE}/index.html"),
        ("GET", f"/{PRIVATE}/nix-cache.json"),
        ("GET", f"/{PRIVATE}/{NARINFO}"),
        ("GET", f"/{PRIVATE}/{NAR}"),
        ("GET", f"/{PRIVATE}?list-type=2"),
        ("PUT", f"/{PRIVATE}/{NAR}"),
        ("DELETE", f"/{PRIVATE}/{NAR}"),
    ],
)
@pytest.mark.usefixtures("unchanged")
def test_anonymous_requests_can_do_no_more_than_get(
    caches: TwoCaches, method: str, path: str
) -> None:
    """Not on a public cache, and on a private one not even that."""
    body = b"anything" if method == "PUT" and path.count("/") > 1 else None

    assert anonymously(caches, method, path, body=body).status == 403


@pytest.mark.parametrize("bucket", [PUBLIC, PRIVATE])
@pytest.mark.usefixtures("unchanged")
def test_anonymous_requests_cannot_upload_by_a_form(caches: TwoCaches, bucket: str) -> None:
    """The browser's way of uploading."""
    form = {"key": "nar/form.nar", "file": ("form.nar", b"anything")}

    assert anonymously(caches, "POST", f"/{bucket}", fields=form).status in (400, 403)


@pytest.mark.parametrize("key", WRITABLE)
@pytest.mark.parametrize(
    ("bucket", "writer"), [(PUBLIC, "nixbuilder"), (PRIVATE, "private.cache-nixbuilder")]
)
def test_a_writer_puts_and_reads_what_nix_writes(
    caches: TwoCaches, bucket: str, writer: str, key: str
) -> None:
    """Each kind of key that `nix copy` uploads."""
    client = caches.client(writer)
    body = f"{writer} wrote {key}".encode()

    client.put_object(Bucket=bucket, Key=key, Body=body)

    assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    assert client.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)


def test_a_writer_uploads_in_parts(caches: TwoCaches) -> None:
    """As `nix copy` does with multipart-upload, which every push URL asks for."""
    client = caches.client("nixbuilder")
    key = "nar/in-parts.nar"
    upload = client.create_multipart_upload(Bucket=PUBLIC, Key=key)["UploadId"]
    for number in (1, 2):
        client.upload_part(Bucket=PUBLIC, Key=key, UploadId=upload, PartNumber=number, Body=PART)
    listed = client.list_parts(Bucket=PUBLIC, Key=key, UploadId=upload)["Parts"]
    client.complete_multipart_upload(
        Bucket=PUBLIC,
        Key=key,
        UploadId=upload,
        MultipartUpload={
            "Parts": [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in listed]
        },
    )

    assert client.get_object(Bucket=PUBLIC, Key=key)["Body"].read() == PART * 2


@pytest.mark.usefixtures("unchanged")
def test_a_writer_aborts_an_upload_but_deletes_nothing_by_it(caches: TwoCaches) -> None:
    """What was there under the same name stays, and the parts are gone."""
    client = caches.client("nixbuilder")
    upload = client.create_multipart_upload(Bucket=PUBLIC, Key=NAR)["UploadId"]
    client.upload_part(Bucket=PUBLIC, Key=NAR, UploadId=upload, PartNumber=1, Body=PART)

    client.abort_multipart_upload(Bucket=PUBLIC, Key=NAR, UploadId=upload)

    with pytest.raises(ClientError) as absence:
        client.list_parts(Bucket=PUBLIC, Key=NAR, UploadId=upload)
    assert absence.value.response["Error"]["Code"] == "NoSuchUpload"


@pytest.mark.parametrize(
    ("bucket", "user"),
    [
        (PUBLIC, "team-reader"),
        (PRIVATE, "private.cache-team-reader"),
        (PRIVATE, "private.cache-nixbuilder"),
    ],
)
@pytest.mark.parametrize("key", [NAR, "nix-cache-info"])
def test_a_credential_reads_its_own_cache(
    caches: TwoCaches, bucket: str, user: str, key: str
) -> None:
    """A writer's as well, and of a private cache, which any other user is refused."""
    expected = caches.root.get_object(Bucket=bucket, Key=key)["Body"].read()

    assert caches.client(user).get_object(Bucket=bucket, Key=key)["Body"].read() == expected
