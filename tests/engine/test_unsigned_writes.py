"""The MinIO that is built here stores nothing for clients that only know an access key id.

Only the built server shows that the correction of CVE-2026-41145 and CVE-2026-40344 holds, and what
is akin to them. It needs no engine; a writer and a reader have the component's own policies.
"""

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from nix_cache.iam.access import anonymous_read_policy, reader_policy, writer_policy
from offline import builds
from tests.engine import forged
from tests.engine.forged import SNOWBALL, STREAMS, TRAILER, Forged, in_header, in_query
from tests.engine.s3 import s3_client
from tools.bootstrap import cache_folder
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, WRITER, READER = "nix-cache", "nixbuilder", "nixreader"


def secret_of(user: str) -> str:
    """Return a user's secret access key."""
    return f"secret-of-{user}"


@dataclass(frozen=True)
class Store:
    """A server with a bucket, a writer and a reader.

    Attributes:
        server: its `HOST:PORT`.
        root: the administrator's client.
        owner: the administrator's access key id.
        upload: an upload in parts that the writer began.
    """

    server: str
    root: "S3Client"
    owner: str
    upload: str

    def client(self, user: str) -> "S3Client":
        """Return a user's client."""
        return s3_client(f"http://{self.server}", user, secret_of(user))

    def contents(self) -> set[str]:
        """Return the keys of all objects."""
        return {one["Key"] for one in self.root.list_objects_v2(Bucket=BUCKET).get("Contents", [])}

    def parts(self) -> int:
        """How many parts the upload has."""
        found = self.root.list_parts(Bucket=BUCKET, Key="nar/parts", UploadId=self.upload)
        return len(found.get("Parts", []))

    def send(self, request: Forged) -> forged.Reply:
        """Send a request to the bucket."""
        return forged.send(self.server, BUCKET, request)

    def signed(self, request: Forged, *, presigned: bool = False) -> Forged:
        """Return the same request, truly signed by the writer."""
        pair = (WRITER, secret_of(WRITER))
        return forged.signed(self.server, BUCKET, request, pair, presigned=presigned)

    def anonymous_get(self, key: str) -> int:
        """Return the status of a GET without any credential."""
        connection = http.client.HTTPConnection(self.server, timeout=30)
        connection.request("GET", f"/{BUCKET}/{key}")
        return connection.getresponse().status


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Store]:
    """Provide the MinIO that the toolchain builds, even where PATH has another one."""
    assert engine.minio.exists()
    program = builds.ensure(["minio"], cache_folder())["minio"]
    local = LocalServer(tmp_path_factory.mktemp("minio"), program)
    local.start()
    try:
        connection = local.connection()
        root = s3_client(local.url, connection.user, connection.password)
        admin = MinioAdmin(
            endpoint=connection.server,
            credentials=StaticProvider(connection.user, connection.password),
            secure=False,
        )
        root.create_bucket(Bucket=BUCKET)
        policy = json.dumps(anonymous_read_policy(BUCKET))
        root.put_bucket_policy(Bucket=BUCKET, Policy=policy)
        for user, rights in ((WRITER, writer_policy(BUCKET)), (READER, reader_policy(BUCKET))):
            admin.user_add(user, secret_of(user))
            admin.policy_add(user, policy=rights)
            admin.policy_set(user, user=user)
        writer = s3_client(local.url, WRITER, secret_of(WRITER))
        begun = writer.create_multipart_upload(Bucket=BUCKET, Key="nar/parts")
        yield Store(connection.server, root, connection.user, begun["UploadId"])
    finally:
        local.stop()


def put(query: str = "", *headers: tuple[str, str], key: str = "nar/x") -> Forged:
    """Return a PUT of a body with a trailer."""
    return Forged("PUT", key, query, [*headers, *forged.trailer_headers()], forged.chunked())


def unpack(query: str = "", *headers: tuple[str, str], trailer: bool = True) -> Forged:
    """Return a PUT of an archive that is to be unpacked."""
    announced = [("x-amz-content-sha256", TRAILER)] if trailer else []
    body = forged.archive()
    return Forged("PUT", "nar/a.tar", query, [*headers, *announced, *SNOWBALL], body)


def part(store: Store, *headers: tuple[str, str]) -> Forged:
    """Return a PUT of a part of the writer's upload."""
    return put(in_query(WRITER, uploadId=store.upload, partNumber="1"), *headers, key="nar/parts")


def sha256_headers(*values: str) -> list[tuple[str, str]]:
    """Return the header that says how the body is hashed, as often as there are values."""
    return [("x-amz-content-sha256", value) for value in values]


def with_sha256(*values: str) -> Forged:
    """Return a PUT with the credential in the query, and the header written in some other way."""
    others = forged.trailer_headers()[1:]
    return Forged(
        "PUT", "nar/x", in_query(WRITER), [*sha256_headers(*values), *others], forged.chunked()
    )


def streamed(what: str, place: str, stream: str, _: Store) -> Forged:
    """Return a PUT with another type of body, the writer's id in the query or a header."""
    named = in_header(WRITER) if place == "header" else [("x-amz-date", forged.now())]
    headers = [*named, *sha256_headers(stream), *(SNOWBALL if what == "an archive" else ())]
    query = in_query(WRITER) if place == "query" else ""
    return Forged("PUT", "nar/x", query, headers, forged.archive())


def version_2(place: str, trailer: bool, _: Store) -> Forged:
    """Return an archive, the writer's id in the old form of the query or of the header."""
    query = f"AWSAccessKeyId={WRITER}&Expires=4102444800&Signature=AAAA"
    named = [("Authorization", f"AWS {WRITER}:AAAA")] if place == "header" else []
    headers = [*named, ("x-amz-date", forged.now())]
    return unpack(query if place == "query" else "", *headers, trailer=trailer)


CREDENTIAL_ONLY = f"X-Amz-Credential={forged.scope(WRITER).replace('/', '%2F')}"

PUBLISHED: dict[str, Callable[[Store], Forged]] = {
    "an object, the id in the query": lambda _: put(in_query(WRITER)),
    "an object, the root user's id": lambda s: put(in_query(s.owner), key="nix-cache-info"),
    "an object, an empty Authorization header": lambda _: put(
        in_query(WRITER), ("Authorization", "")
    ),
    "an object, nothing but the id in the query": lambda _: put(CREDENTIAL_ONLY),
    "an object, an id that expired": lambda _: put(
        in_query(WRITER, **{"X-Amz-Date": "20200101T000000Z"})
    ),
    "an object, the hash in the query too": lambda _: put(
        in_query(WRITER, **{"X-Amz-Content-Sha256": TRAILER})
    ),
    "an object, the header twice": lambda _: with_sha256(TRAILER, "UNSIGNED-PAYLOAD"),
    "an object, white space around the header": lambda _: with_sha256(f" \t{TRAILER}\t "),
    "an object, the id in a header": lambda _: put("", *in_header(WRITER)),
    "a part, the id in the query": part,
    "a part, an empty Authorization header": lambda s: part(s, ("Authorization", "")),
    "an archive, the id in a header": lambda _: unpack("", *in_header(WRITER)),
    "an archive, the id in the query": lambda _: unpack(in_query(WRITER)),
    "an archive, the root user's id": lambda s: unpack("", *in_header(s.owner)),
    "an archive, nothing but the id in the query": lambda _: unpack(CREDENTIAL_ONLY),
}
"""Writes that upstream stores, and the same ones with what it verifies."""

AKIN: dict[str, Callable[[Store], Forged]] = {
    "the header in the other order": lambda _: with_sha256("UNSIGNED-PAYLOAD", TRAILER),
    "the header in lower case": lambda _: with_sha256(TRAILER.lower()),
    "the query in lower case": lambda _: put(in_query(WRITER).replace("X-Amz", "x-amz")),
    "a header and a query": lambda _: put(in_query(WRITER), *in_header(WRITER)),
    "a token and a query": lambda _: put(in_query(WRITER), ("Authorization", "Bearer x")),
    "no id at all": lambda _: put(),
    "a reader's id": lambda _: put(in_query(READER)),
    "no body": lambda _: Forged("PUT", "nar/x", in_query(WRITER), forged.trailer_headers()),
    "a copy": lambda _: put(in_query(WRITER), ("x-amz-copy-source", f"/{BUCKET}/nar/there")),
    "tags": lambda _: Forged(
        "PUT",
        "nar/there",
        in_query(WRITER, tagging=""),
        sha256_headers(TRAILER),
        b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    ),
    "a begun upload": lambda _: Forged(
        "POST", "nar/x", in_query(WRITER, uploads=""), sha256_headers(TRAILER)
    ),
    "a deletion": lambda s: Forged(
        "DELETE", "nar/there", in_query(s.owner), sha256_headers(TRAILER)
    ),
    **{
        f"{what}, {place}, {stream}": partial(streamed, what, place, stream)
        for what in ("an object", "an archive")
        for place in ("query", "header")
        for stream in (*STREAMS, "UNSIGNED-PAYLOAD")
    },
    **{
        f"version 2, {place}, trailer {trailer}": partial(version_2, place, trailer)
        for place in ("query", "header")
        for trailer in (True, False)
    },
    "an archive of anyone": lambda _: unpack(trailer=False),
    "an archive of anyone, with a trailer": lambda _: unpack(),
    "an archive with a token": lambda _: unpack("", ("Authorization", "Bearer x")),
    "an archive and an action": lambda _: unpack("Action=AssumeRole", trailer=False),
}
"""Other ways to name an access key id without a signature."""


def state(store: Store) -> tuple[set[str], int]:
    """Return what is stored: objects, and parts of the upload."""
    return store.contents(), store.parts()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_bypass_is_answered_403_and_stores_nothing(store: Store, name: str) -> None:
    """Whatever of the published requests it is, for every handler."""
    before = state(store)

    reply = store.send(PUBLISHED[name](store))

    assert (reply.status, state(store)) == (403, before), reply
    assert reply.code in {"SignatureDoesNotMatch", "AccessDenied"}
    assert store.anonymous_get("nar/x") in {403, 404}


@pytest.mark.parametrize("name", AKIN)
def test_what_is_akin_is_refused_and_stores_nothing(store: Store, name: str) -> None:
    """With 403, or 400 where the request makes no sense."""
    store.root.put_object(Bucket=BUCKET, Key="nar/there", Body=b"there")
    before = state(store)

    reply = store.send(AKIN[name](store))

    assert reply.status in {400, 403}, reply
    assert state(store) == before
    assert store.root.get_object_tagging(Bucket=BUCKET, Key="nar/there")["TagSet"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {"x-amz-credential": forged.scope(WRITER), "x-amz-signature": "0" * 64},
        {"x-amz-credential": forged.scope(WRITER)},
        {"AWSAccessKeyId": WRITER, "signature": "AAAA"},
        {"AWSAccessKeyId": WRITER},
        {},
    ],
    ids=["version 4", "version 4 without a signature", "version 2", "version 2 without", "nothing"],
)
def test_a_browsers_upload_needs_a_signature(store: Store, fields: dict[str, str]) -> None:
    """The form names a writer, and its policy allows everything."""
    conditions = [["starts-with", "$key", ""], {"bucket": BUCKET}]
    policy = {"expiration": "2099-01-01T00:00:00Z", "conditions": conditions}
    encoded = base64.b64encode(json.dumps(policy).encode()).decode()
    stamps = {"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": forged.now()}
    headers, body = forged.form({"key": "nar/form", "policy": encoded, **stamps, **fields})
    before = state(store)

    reply = store.send(Forged("POST", "", "", headers, body))

    assert reply.status in {400, 403}, reply
    assert state(store) == before


@pytest.mark.parametrize("second", [f"AWSAccessKeyId={READER}", f"AWSAccessKeyId%3D{READER}"])
@pytest.mark.parametrize("whose", ["writer", "root"])
def test_a_reader_cannot_act_as_another_user_in_version_2(
    store: Store, whose: str, second: str
) -> None:
    """Two access key ids in one query: the rights of the first, the signature of the last."""
    first = WRITER if whose == "writer" else store.owner
    key = "nar/x" if whose == "writer" else "nix-cache-info"
    before = state(store)

    query = forged.version_2_query(
        [f"AWSAccessKeyId={first}", second], secret_of(READER), f"/{BUCKET}/{key}"
    )
    reply = store.send(Forged("PUT", key, query, (), b"hello"))

    assert (reply.status, state(store)) == (403, before), reply


def removed(store: Store, key: str) -> bytes:
    """Return what is stored under a key, which is removed."""
    content = store.root.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    store.root.delete_object(Bucket=BUCKET, Key=key)
    return content


@pytest.mark.parametrize("presigned", [False, True])
def test_a_signed_upload_with_a_trailer_works(store: Store, presigned: bool) -> None:
    """As AWS's own tools send it over TLS; the stored bytes are the decoded ones."""
    request = put(key="nar/signed")

    assert store.send(store.signed(request, presigned=presigned)).status == 200
    assert removed(store, "nar/signed") == forged.CONTENT


def test_a_signed_upload_with_a_wrong_checksum_is_refused(store: Store) -> None:
    """The trailer is looked at."""
    body = forged.chunked().replace(forged.CONTENT, b"jello")
    request = Forged("PUT", "nar/signed", "", forged.trailer_headers(), body)

    reply = store.send(store.signed(request))

    assert (reply.status, reply.code) == (400, "XAmzContentChecksumMismatch")
    assert "nar/signed" not in store.contents()


def test_a_signed_part_with_a_trailer_works(store: Store) -> None:
    """For large NARs."""
    writer = store.client(WRITER)
    upload = writer.create_multipart_upload(Bucket=BUCKET, Key="nar/large")["UploadId"]
    request = put(f"partNumber=1&uploadId={upload}", key="nar/large")

    assert store.send(store.signed(request)).status == 200

    found = store.root.list_parts(Bucket=BUCKET, Key="nar/large", UploadId=upload)
    assert [one["Size"] for one in found["Parts"]] == [len(forged.CONTENT)]
    writer.abort_multipart_upload(Bucket=BUCKET, Key="nar/large", UploadId=upload)


@pytest.mark.parametrize("trailer", [False, True])
def test_a_signed_archive_is_unpacked(store: Store, trailer: bool) -> None:
    """With a trailer and without."""
    body = forged.archive()
    headers = [*(forged.trailer_headers(body) if trailer else []), *SNOWBALL]
    content = forged.chunked(body) if trailer else body
    request = Forged("PUT", "nar/a.tar", "", headers, content)

    assert store.send(store.signed(request)).status == 200
    assert removed(store, "nar/x") == forged.CONTENT


def test_anyone_may_write_where_the_bucket_policy_says_so(store: Store) -> None:
    """A request that names no key is anonymous, also with a trailer or an archive."""
    before = store.root.get_bucket_policy(Bucket=BUCKET)["Policy"]
    open_to_all = anonymous_read_policy(BUCKET)
    open_to_all["Statement"][0]["Action"] = ["s3:GetObject", "s3:PutObject"]
    store.root.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(open_to_all))
    try:
        assert store.send(put(key="nar/open")).status == 200
        assert removed(store, "nar/open") == forged.CONTENT
        assert store.send(unpack(trailer=False)).status == 200
        assert removed(store, "nar/x") == forged.CONTENT
        assert store.send(put(in_query(WRITER))).status == 403
    finally:
        store.root.put_bucket_policy(Bucket=BUCKET, Policy=before)


def test_reading_and_plain_signed_uploads_go_on(store: Store) -> None:
    """Anyone reads; the writer writes; the reader does not."""
    writer, reader = store.client(WRITER), store.client(READER)
    writer.put_object(Bucket=BUCKET, Key="nar/plain", Body=b"plain")

    assert store.anonymous_get("nar/plain") == 200
    assert reader.get_object(Bucket=BUCKET, Key="nar/plain")["Body"].read() == b"plain"
    with pytest.raises(reader.exceptions.ClientError, match="AccessDenied"):
        reader.put_object(Bucket=BUCKET, Key="nar/plain", Body=b"no")
    assert removed(store, "nar/plain") == b"plain"
