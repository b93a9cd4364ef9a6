"""Which proxy is used: the one that curl, and so Nix, uses."""

import base64

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.proxies import is_excepted, proxy_of

PLAIN, SECURE = "http://cache.example.org/x", "https://cache.example.org/x"


@pytest.mark.parametrize(
    ("variables", "plain", "secure"),
    [
        ({}, None, None),
        ({"http_proxy": "http://p:1"}, "http://p:1", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://p:1", None),
        ({"https_proxy": "http://p:1"}, None, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:1"}, None, "http://q:1"),
        ({"all_proxy": "p:1"}, "http://p:1", "http://p:1"),
        ({"ALL_PROXY": "p"}, "http://p:1080", "http://p:1080"),
        ({"http_proxy": "", "all_proxy": "https://p"}, "https://p:443", "https://p:443"),
        ({"all_proxy": "http://[::1]:3128/"}, "http://[::1]:3128", "http://[::1]:3128"),
        ({"all_proxy": "http://p:1", "no_proxy": "example.org"}, None, None),
        ({"all_proxy": "http://p:1", "NO_PROXY": "*"}, None, None),
        ({"all_proxy": "http://p:1", "no_proxy": "", "NO_PROXY": "example.org"}, None, None),
    ],
)
def test_the_proxy_is_that_of_curl(
    variables: dict[str, str], plain: str | None, secure: str | None
) -> None:
    for url, expected in ((PLAIN, plain), (SECURE, secure)):
        found = proxy_of(url, variables)
        assert (found.url if found else None) == expected


@pytest.mark.parametrize(
    ("host", "no_proxy", "expected"),
    [
        ("cache.example.org", "example.org", True),
        ("cache.example.org", ".example.org", True),
        ("example.org", ".example.org", True),
        ("Cache.Example.org.", "EXAMPLE.ORG.", True),
        ("badexample.org", "example.org", False),
        ("cache.example.org", "a.org, example.org", True),
        ("cache.example.org", "a.org example.org", True),
        ("cache.example.org", "*", True),
        ("cache.example.org", "*.example.org", False),
        ("cache.example.org", "example.org:443", False),
        ("cache.example.org", "", False),
        ("192.168.1.7", "192.168.1.7", True),
        ("192.168.1.7", "192.168.0.0/16", True),
        ("192.169.1.7", "192.168.0.0/16", False),
        ("192.168.1.7", "168.1.7", False),
        ("fd00::1", "fd00::/8", True),
        ("::1", "[::1]", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("127.0.0.1", "localhost", False),
        ("127.0.0.1", "127.0.0.0/99", False),
    ],
)
def test_exceptions_are_read_as_curl_reads_them(host: str, no_proxy: str, expected: bool) -> None:
    assert is_excepted(host, no_proxy) is expected


def test_a_login_is_sent_to_the_proxy_alone() -> None:
    """Decoded, and not as a part of the URL."""
    found = proxy_of(PLAIN, {"http_proxy": "http://me%40home:p%3Aw@proxy:3128"})

    assert found is not None
    assert found.url == "http://proxy:3128"
    assert dict(found.headers) == {"proxy-authorization": "Basic bWVAaG9tZTpwOnc="}


@pytest.mark.parametrize(
    ("password", "sent"),
    [
        ("p%C3%A4ss", b"p\xc3\xa4ss"),
        ("p\u00e4ss", b"p\xc3\xa4ss"),
        ("p%E2%82%ACss", b"p\xe2\x82\xacss"),
        ("%ff", b"\xff"),
        ("\udcff", b"\xff"),
        ("", b""),
    ],
)
def test_the_bytes_of_a_login_are_sent_as_curl_sends_them(password: str, sent: bytes) -> None:
    """A byte in a variable that is not UTF-8 is a surrogate in Python."""
    found = proxy_of(PLAIN, {"http_proxy": f"http://%C3%A4:{password}@proxy:3128"})

    assert found is not None
    [value] = found.headers.values()
    assert base64.b64decode(value.removeprefix("Basic ")) == b"\xc3\xa4:" + sent


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("socks5h://p:1080", "all_proxy names a proxy of the unsupported kind socks5h"),
        ("http://", "all_proxy names no valid proxy"),
        ("http://p:99999", "all_proxy names no valid proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_error_without_its_password(
    text: str, message: str
) -> None:
    with pytest.raises(ClientError, match=message) as error:
        proxy_of(SECURE, {"all_proxy": text.replace("://", "://me:hidden@")})
    assert "hidden" not in str(error.value)
