"""The one client of S3: what it sends, and what its errors mean."""

from itertools import product
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.credentials import Credentials, DeferredRefreshableCredentials
from botocore.exceptions import ClientError as ServiceError
from botocore.exceptions import NoCredentialsError

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3 import answers
from nix_cache.cli.s3.answers import Listed
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.errors import (
    CODES,
    AnsweredError,
    BusyError,
    CredentialError,
    IssuerError,
    MalformedAnswerError,
    Meaning,
    NoCredentialError,
    RefusedError,
    StorageError,
    UnansweredError,
    meaning,
)
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.messages import Requester, explain, explained
from nix_cache.cli.s3.reply import RedirectedError
from nix_cache.cli.s3.transport import Transport
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.misbehaving import always, answer, misbehaving

WRITER = Requester(
    "nixbuilder", "https://s3.example.org", "demo", "team", "the profile nixbuilder in a file"
)
OWNER = Requester("root", "https://s3.example.org", "demo")
EXPIRED: Any = {
    "Error": {"Code": "ExpiredTokenException"},
    "ResponseMetadata": {"HTTPStatusCode": 400},
}
PAIR = Credential(access_key_id="key", secret_access_key="secret")


def client(url: str, credential: Credential | Credentials | None = None) -> S3Client:
    """Return a client of a bucket at a server."""
    return S3Client.of(manifest(endpoint=url), credential, Transport())


class TestRequests:
    """What is sent."""

    def test_an_anonymous_request_is_not_signed(self) -> None:
        with misbehaving(always(answer(b"content"))) as server:
            assert client(server.url).get("nar/a").body == b"content"

        assert server.requests == ["GET /demo/nar/a HTTP/1.1"]
        assert b"authorization" not in server.received[0].lower()

    def test_a_signed_request_covers_the_token(self) -> None:
        with misbehaving(always(answer(b"content"))) as server:
            client(server.url, Credentials("key", "secret", "token-of-a-role")).get("nar/a")

        head = server.received[0].decode().lower()
        assert "x-amz-security-token: token-of-a-role" in head
        signed_headers = head.partition("signedheaders=")[2].partition(",")[0]
        assert "x-amz-security-token" in signed_headers.split(";")

    def test_a_listing_is_asked_for_by_encoded_names(self) -> None:
        body = b"<ListBucketResult/>"
        with misbehaving(always(answer(body))) as server:
            assert [page.objects for page in client(server.url, PAIR).pages(prefix="a b/+")] == [()]

        assert "prefix=a%20b%2F%2B" in server.requests[0]
        assert "encoding-type=url" in server.requests[0]

    def test_a_bucket_may_be_a_host(self) -> None:
        """In virtual-hosted style, so its URL has no path."""
        with misbehaving(always(answer(b"<ListBucketResult/>"))) as server:
            s3 = S3Client(Transport(), server.url, "us-east-1", PAIR)
            s3.page()
            s3.request("GET", "nar/a")

        assert [line.split()[1].partition("?")[0] for line in server.requests] == ["/", "/nar/a"]

    def test_pages_follow_one_another_by_their_tokens(self) -> None:
        first = (
            b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents>"
            b"<NextContinuationToken>1/+=</NextContinuationToken></ListBucketResult>"
        )
        last = b"<ListBucketResult><Contents><Key>b</Key></Contents></ListBucketResult>"
        with misbehaving(
            lambda server, line, _: line.sendall(
                answer(last if "continuation-token=1%2F%2B%3D" in server.requests[-1] else first)
            )
        ) as server:
            pages = [page.objects for page in client(server.url, PAIR).pages()]

        assert pages == [(Listed("a"),), (Listed("b"),)]

    def test_a_token_that_is_repeated_ends_the_listing(self) -> None:
        body = (
            b"<ListBucketResult><IsTruncated>true</IsTruncated>"
            b"<NextContinuationToken>again</NextContinuationToken></ListBucketResult>"
        )
        with (
            misbehaving(always(answer(body))) as server,
            pytest.raises(MalformedAnswerError, match="token is repeated"),
        ):
            list(client(server.url, PAIR).pages())

        assert len(server.requests) == 2

    def test_a_redirect_is_not_followed(self) -> None:
        moved = answer(b"", "307 Temporary Redirect", Location="https://elsewhere.example.org/x")
        with misbehaving(always(moved)) as server:
            with pytest.raises(RedirectedError, match=r"redirects to https://elsewhere"):
                client(server.url, PAIR).get("nar/a")
            assert client(server.url, PAIR).request("GET", "nar/a").status == 307

    def test_an_object_that_is_absent_has_no_headers(self) -> None:
        with misbehaving(always(answer(b"", "404 Not Found"))) as server:
            assert client(server.url, PAIR).head("nar/a") is None

    def test_an_error_after_the_status_of_success_is_one(self) -> None:
        """S3 answers long requests so."""
        body = b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code></Error>'
        with (
            misbehaving(always(answer(body))) as server,
            pytest.raises(AnsweredError) as failure,
        ):
            client(server.url, PAIR).delete(["a"])

        assert failure.value.meaning is Meaning.BUSY

    def test_names_are_sent_and_read_as_they_are(self) -> None:
        keys = ["a&b", "<c>", "d\re\nf"]
        root = ElementTree.fromstring(answers.deletion(keys))

        found = [element.text for element in root.iter() if element.tag.endswith("Key")]

        assert found == keys


class TestCredentials:
    """A credential that a service issues, and that cannot be had."""

    @pytest.mark.parametrize(
        ("failure", "expected", "found"),
        [
            (NoCredentialsError(), CredentialError, Meaning.NO_CREDENTIAL),
            (KeyError("Credentials"), CredentialError, Meaning.NO_CREDENTIAL),
            (
                ServiceError(EXPIRED, "AssumeRoleWithWebIdentity"),
                IssuerError,
                Meaning.NO_CREDENTIAL,
            ),
        ],
    )
    def test_the_reason_is_one_error(
        self, failure: Exception, expected: type[StorageError], found: Meaning
    ) -> None:
        def fail() -> dict[str, str]:
            raise failure

        with pytest.raises(expected) as raised:
            client("http://127.0.0.1:9", DeferredRefreshableCredentials(fail, "test")).get("a")

        assert raised.value.meaning is found
        assert isinstance(explain(raised.value, WRITER), NoCredentialError)


class TestMeanings:
    """The one table of errors."""

    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            *((400, code, found) for code, found in CODES.items()),
            (403, "AccessDenied", Meaning.DENIED),
            (401, "", Meaning.DENIED),
            (503, "AccessDenied", Meaning.BUSY),
            (408, "", Meaning.BUSY),
            (503, "SlowDownRead", Meaning.BUSY),
            (404, "", Meaning.OTHER),
            (400, "InvalidArgument", Meaning.OTHER),
        ],
    )
    def test_status_and_code_have_one_meaning(
        self, status: int, code: str, expected: Meaning
    ) -> None:
        assert meaning(status, code) is expected
        assert meaning(str(status), code) is expected
        assert AnsweredError(status, code).meaning is expected

    @pytest.mark.parametrize(
        ("found", "requester"), list(product(Meaning, [WRITER, OWNER])), ids=lambda x: str(x)[:20]
    )
    def test_each_meaning_has_a_problem_and_a_fix(
        self, found: Meaning, requester: Requester
    ) -> None:
        shown = explained(
            found, requester, "403 AccessDenied", "AccessDenied", "list", fix="log in"
        )

        assert shown.problem
        assert shown.fix
        assert "{" not in str(shown)

    @pytest.mark.parametrize(
        ("failure", "kind"),
        [
            (AnsweredError(503, "SlowDown"), BusyError),
            (NoAnswerError("Connection refused"), BusyError),
            (NoAnswerError("no answer within 20 s", given_up=True), UnansweredError),
            (AnsweredError(403, "AccessDenied"), RefusedError),
            (AnsweredError(418, ""), ClientError),
            (CredentialError("no SSO session", "log in"), NoCredentialError),
        ],
    )
    def test_temporary_errors_are_distinguished_from_permanent_ones(
        self, failure: StorageError, kind: type[ClientError]
    ) -> None:
        assert type(explain(failure, WRITER)) is kind
        assert type(explain(failure, OWNER)) is kind

    def test_braces_in_an_answer_are_text(self) -> None:
        assert "{name} {0}" in explain(NoAnswerError("{name} {0}"), OWNER).problem
