"""Whether a bucket keeps versions, as services of different kinds answer."""

import pytest

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.errors import AnsweredError
from nix_cache.cli.s3.versions import Versioning, versioning
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double


class _Service(S3Double):
    """A service with one answer to everything."""

    given = Answer(200)

    def answer(self, method: str, key: str, query: dict[str, str], body: bytes) -> Answer:
        return self.given


def asked(status: int, body: str) -> Versioning:
    """Return what the client makes of an answer."""
    service = _Service("demo")
    service.given = Answer(status, {}, body.encode())
    return versioning(S3Client(DoubleTransport(service), "https://s3.example.org/demo", "r"))


def error(code: str) -> str:
    """Return the body of an error."""
    return f"<Error><Code>{code}</Code></Error>"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, "<VersioningConfiguration/>", Versioning.NEVER),
        (
            200,
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            Versioning.ENABLED,
        ),
        (
            200,
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
            Versioning.SUSPENDED,
        ),
        (501, error("NotImplemented"), Versioning.NEVER),
        (405, error("MethodNotAllowed"), Versioning.NEVER),
        (403, error("AccessDenied"), Versioning.UNKNOWN),
        (200, "<ListBucketResult/>", Versioning.UNKNOWN),
    ],
)
def test_what_services_answer_is_understood(status: int, body: str, expected: Versioning) -> None:
    assert asked(status, body) is expected


def test_a_missing_bucket_is_an_error() -> None:
    with pytest.raises(AnsweredError):
        asked(404, error("NoSuchBucket"))
