"""Signatures of requests, compared with botocore's."""

import hashlib
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.s3.signature import Signer, host_of

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
HOSTS = st.sampled_from(
    [
        *("http://127.0.0.1:9000", "http://[::1]:9000", "http://s3.example.org:80"),
        *("https://s3.example.org", "https://S3.Example.org:443", "https://s3.example.org:8443"),
    ]
)
NOW = 1_800_000_000.0


@given(
    HOSTS,
    st.lists(TEXT, max_size=3),
    st.dictionaries(WORDS, WORDS, max_size=3),
    st.dictionaries(st.sampled_from(["Content-Type", "If-Match", "X-Amz-Acl"]), WORDS),
    st.sampled_from(["GET", "PUT"]),
    st.binary(max_size=40),
    st.none() | st.just("a-session-token"),
)
def test_a_signature_is_botocores(
    host: str,
    segments: list[str],
    query: dict[str, str],
    headers: dict[str, str],
    method: str,
    body: bytes,
    token: str | None,
) -> None:
    """Whatever is signed. The expected signature is of the same second."""
    path = f"/{'/'.join(quote(segment, safe='') for segment in segments)}"
    pairs = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items()
    )
    url = f"{host}{path}?{pairs}" if pairs else f"{host}{path}"
    secret = ReadOnlyCredentials("an-id", "a-secret", token)
    expected = AWSRequest(method, url, headers=dict(headers), data=body)
    moment = datetime.fromtimestamp(NOW, UTC)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment):
        S3SigV4Auth(secret, "s3", "eu-north-1").add_auth(expected)

    digest = hashlib.sha256(body).hexdigest()
    signed = Signer("eu-north-1").headers(method, url, headers, digest, secret, NOW)

    assert signed["Authorization"] == expected.headers["Authorization"]
    assert {name.lower() for name in signed} == {name.lower() for name in expected.headers} | {
        "host"
    }


def test_the_key_of_a_day_follows_the_secret_and_the_date() -> None:
    """It is kept from one request to the next."""
    signer, url = Signer("us-east-1"), "https://s3.example.org/bucket/key"
    moments = [(secret, now) for now in (NOW, NOW + 86_400) for secret in ("first", "second")]

    def signature(signer: Signer, secret: str, now: float) -> str:
        pair = ReadOnlyCredentials("an-id", secret, None)
        return signer.headers("GET", url, {}, "digest", pair, now)["Authorization"]

    kept = [signature(signer, *moment) for moment in moments]

    assert kept == [signature(Signer("us-east-1"), *moment) for moment in moments]
    assert len(set(kept)) == 4


def test_a_host_has_a_port_only_where_it_is_unusual() -> None:
    assert host_of("https://S3.example.org:443/a") == "s3.example.org"
    assert host_of("http://s3.example.org:443/a") == "s3.example.org:443"
    assert host_of("http://[fe80::1%25eth0]:9000/a") == "[fe80::1]:9000"
