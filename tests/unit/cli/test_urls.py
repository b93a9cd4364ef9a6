"""URLs from manifests and command lines: what is taken, and what is refused."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nix_cache.cli.caches import manifest_rules, urls
from nix_cache.cli.caches.urls import UrlError
from nix_cache.cli.errors import ClientError
from tests.unit.cli.client_caches import WRITER, manifest

PUSH = "s3://demo?profile=nixbuilder&endpoint=https%3A%2F%2Fs3.example.org&region=us-east-1"
READ = "s3://demo?profile=nixreader&endpoint=https%3A%2F%2Fs3.example.org&region=us-east-1"
AMAZON = "https://s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        "https://cache.example.org",
        "https://cache.example.org/",
        "http://127.0.0.1:9000/nix-cache",
        "http://[::1]:9000/nix-cache",
        "https://bucket.s3.eu-central-1.amazonaws.com",
        "https://minio_1:443/a/b.c~d",
    ],
)
def test_the_urls_of_caches_are_accepted(url: str) -> None:
    """Of each backend, also behind a path."""
    assert urls.parse_http(url).scheme == url.partition(":")[0]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///nix-cache",
        "https://[x",
        "https://[x]",
        "https://[::1",
        "https://[::1%25eth0]/x",
        "https://x]/",
        "https://h:0/",
        "https://h:99999/",
        "https://h:x/",
        "https://h:/",
        "https://-h/",
        "https://h..x/",
        "https://user:pw@h/x",
        "https://user@h",
        "https://@h",
        "https://user:p%40w@h",
        "HTTPS://h/x",
        "Http://h/x",
        "ftp://h/x",
        "ssh-ng://h",
        "file:///etc",
        "s3://demo",
        "https:/h",
        "https:\\\\h\\x",
        "https://h\\@evil/x",
        "https://h/x?trusted=true",
        "https://h/x?",
        "https://h/x#y",
        "https://h/../x",
        "https://h/x/.",
        "https://h/%2e%2e/x",
        "https://h/x%0ay",
        "https://h/$(id)",
        "https://h/x y",
        "https://h/x\ty",
        "ht\ttps://h/x",
        "https://h/x\n",
        "https://h\r/x",
        " https://h/x",
        "https://h/\u202ex",
        "https://h\u00e9/x",
        "https://h/\ud800",
        "https://" + "a" * 300,
    ],
)
def test_other_urls_are_refused_with_a_reason(url: str) -> None:
    """Malformed, with credentials, with parameters, or read differently by different programs."""
    with pytest.raises(UrlError, match=r"^it"):
        urls.parse_http(url)


@given(st.text(max_size=40))
@example("https://[")
@example("https://h:\u0661/")
def test_any_text_is_read_or_refused(text: str) -> None:
    """No other error, and what is read comes out as it was written."""
    for prefix in ("", "https://", "s3://b", "s3://bucket?"):
        try:
            found = urls.parse_http(prefix + text)
        except UrlError:
            pass
        else:
            assert (prefix + text).rstrip("/") == f"{found.scheme}://{found.authority}{found.path}"
        try:
            parsed = urls.parse_s3(prefix + text)
        except UrlError:
            pass
        else:
            assert re.fullmatch(r"[a-z0-9.-]+", parsed.bucket)


@pytest.mark.parametrize(
    "url",
    [
        PUSH,
        PUSH + "&compression=zstd&parallel-compression=true&multipart-upload=true",
        PUSH + "&compression-level=-1&addressing-style=path",
        PUSH.replace("%3A%2F%2F", "://"),
    ],
)
def test_a_push_url_of_the_described_bucket_is_accepted(url: str) -> None:
    """With what makes uploads fast, and however the endpoint is encoded."""
    manifest_rules.require_push_url(manifest(pushUrls={WRITER: url}), WRITER)


@pytest.mark.parametrize("bucket", ["b", "a.b", "nix-cache", "x" * 63])
def test_buckets_of_every_storage_are_accepted(bucket: str) -> None:
    """Some allow shorter names than AWS, or dots."""
    manifest_rules.require_valid(manifest(bucket=bucket))
    manifest_rules.require_valid(manifest(bucket=bucket, public=False))


def test_a_push_url_without_an_endpoint_is_that_of_amazon() -> None:
    """It is accepted for the region's own endpoint alone."""
    url = "s3://demo?profile=nixbuilder&region=eu-central-1"
    changes = {"pushUrls": {WRITER: url}, "region": "eu-central-1"}

    manifest_rules.require_push_url(manifest(endpoint=AMAZON, **changes), WRITER)
    with pytest.raises(ClientError, match="its endpoint is not"):
        manifest_rules.require_push_url(manifest(**changes), WRITER)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ssh-ng://evil.example?remote-program=x", "does not have the form"),
        ("https://s3.example.org/demo", "does not have the form"),
        (PUSH.replace("s3:", "S3:"), "does not have the form"),
        (PUSH.replace("demo?", "demo/x?"), "does not have the form"),
        (PUSH.replace("demo?", "u:p@demo?"), "does not have the form"),
        (PUSH + "#x", "does not have the form"),
        (PUSH.replace("demo", "other"), "its bucket is not demo"),
        (PUSH.replace("s3.example.org", "evil.example"), "its endpoint is not"),
        (PUSH.replace("https", "http"), "its endpoint is not"),
        (PUSH.replace("s3.example.org", "s3.example.org%40evil.example"), "its endpoint is not"),
        (PUSH.replace("us-east-1", "eu-west-1"), "its region is not us-east-1"),
        (PUSH.replace("nixbuilder", "prod-admin"), "its profile is not that of the writer"),
        (PUSH.replace("profile=nixbuilder&", ""), "its profile is not that of the writer"),
        (PUSH.replace("nixbuilder", "default"), "reserved"),
        (PUSH + "&secret-key=/etc/shadow", "its parameter secret-key is not allowed"),
        (PUSH + "&secret-key=%2Fetc%2Fshadow", "its parameter secret-key is not allowed"),
        (PUSH + "&secret%2Dkey=/etc/shadow", "its query has an invalid format"),
        (PUSH + "&Secret-Key=/etc/shadow", "its query has an invalid format"),
        (PUSH + "&local-nar-cache=/etc", "its parameter local-nar-cache is not allowed"),
        (PUSH + "&store=/x", "its parameter store is not allowed"),
        (PUSH + "&scheme=http", "its parameter scheme is not allowed"),
        (PUSH + "&compression=zs%74d%0a", "its parameter compression has an invalid value"),
        (PUSH + "&compression=/x", "its parameter compression is not allowed"),
        (PUSH + "&endpoint=https://evil.example", "the parameter endpoint twice"),
        (PUSH + "&endpoint=https://s3.example.org", "the parameter endpoint twice"),
        (PUSH + "&%65ndpoint=https://evil.example", "its query has an invalid format"),
        (PUSH + "&", "its query has an invalid format"),
        (PUSH + "&profile", "its query has an invalid format"),
        (PUSH + "&region=%zz", "its query has an invalid format"),
        (PUSH + "&region=%ff", "its parameter region has an invalid value"),
        (PUSH + "\n", "characters that URLs do not have"),
        (PUSH + "\t&x=y", "characters that URLs do not have"),
        (PUSH + "\\", "characters that URLs do not have"),
        ("", "does not have the form"),
    ],
)
def test_a_push_url_that_does_anything_else_is_refused(url: str, problem: str) -> None:
    """Another place, another profile, or a setting of Nix's."""
    with pytest.raises(ClientError, match=re.escape(problem)):
        manifest_rules.require_push_url(manifest(pushUrls={WRITER: url}), WRITER)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        (READ.replace("nixreader", "default"), "it names no profile of the cache"),
        (READ.replace("profile=nixreader&", ""), "it names no profile of the cache"),
        (READ.replace("demo", "other"), "its bucket is not demo"),
        (READ.replace("s3.example.org", "evil.example"), "its endpoint is not"),
        (READ + "&trusted=true", "its parameter trusted is not allowed"),
        (READ + "&want-mass-query=1", "its parameter want-mass-query is not allowed"),
        (READ + "&priority=1", "its parameter priority is not allowed"),
        (READ + "&secret-key=/x", "its parameter secret-key is not allowed"),
        (READ + "&index-debug-info=true", "its parameter index-debug-info is not allowed"),
        (READ + "&local-nar-cache=/x", "its parameter local-nar-cache is not allowed"),
        ("https://s3.example.org/demo", "does not have the form"),
    ],
)
def test_a_private_read_url_sets_nothing_but_its_place(url: str, problem: str) -> None:
    """Nix takes settings from a substituter's parameters."""
    with pytest.raises(ClientError, match=re.escape(problem)):
        manifest_rules.require_read_url(manifest(public=False, readUrl=url))


def test_a_public_cache_is_read_without_a_profile() -> None:
    """An s3:// URL would be signed with a profile of the user's."""
    with pytest.raises(ClientError, match="does not start with http"):
        manifest_rules.require_read_url(manifest(readUrl=READ))
