"""Secrets in texts that are shown."""

import base64

import pytest
from nacl.signing import SigningKey

from nix_cache import redaction
from nix_cache.redaction import (
    MASK,
    has_userinfo,
    keep_argument_secret,
    keep_environment_secret,
    keep_secret,
    redacted,
)
from tests.engine.secret_search import forms_of

KEY = SigningKey(bytes(range(32)))
SECRET_KEY = base64.b64encode(bytes(KEY) + bytes(KEY.verify_key)).decode()
SIGNATURE = base64.b64encode(KEY.sign(b"fingerprint").signature).decode()
PUBLIC_KEY = base64.b64encode(bytes(KEY.verify_key)).decode()


@pytest.fixture(autouse=True)
def _known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_KNOWN", redaction._KnownSecrets())


def test_a_known_secret_is_masked_in_every_form() -> None:
    secret = 'S3c+ret/with "all" of=it\\'
    keep_secret(secret)
    text = redacted(" ".join(form.decode() for form in forms_of(secret) if len(form) > 40))
    clear = redacted(f"before {secret} after")
    assert clear == f"before {MASK} after"
    for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
        assert form not in text


def test_of_two_secrets_the_longer_one_is_masked_whole() -> None:
    keep_secret("abcdefgh", "abcdefghijkl")
    assert redacted("x abcdefghijkl y") == f"x {MASK} y"


def test_short_and_missing_secrets_spoil_no_words() -> None:
    keep_secret("", "cache", None)
    assert redacted("a cache") == "a cache"


def test_secrets_of_the_environment_are_known_by_their_names() -> None:
    keep_environment_secret(
        {
            "AWS_SECRET_ACCESS_KEY": "aws-secret-value",
            "AWS_SESSION_TOKEN": "session-token-value",
            "B2_APPLICATION_KEY": "b2-application-key",
            "PULUMI_CONFIG_PASSPHRASE": "pass phrase of a stack",
            "MINIO_ROOT_PASSWORD_FILE": "/run/keys/root-password",
            "https_proxy": "http://someone:proxy-password@proxy:3128",
        }
    )
    for secret in (
        *("aws-secret-value", "session-token-value", "b2-application-key"),
        *("pass phrase of a stack", "proxy-password", "someone:proxy-password"),
    ):
        assert redacted(f"<{secret}>") == f"<{MASK}>"
    assert redacted("see /run/keys/root-password") == "see /run/keys/root-password"


URLS = {
    "http://root:S3cretPassw0rd@h:9000": f"http://{MASK}@h:9000",
    "https://token@h/x": f"https://{MASK}@h/x",
    "https://u:p@ss@h/x": f"https://{MASK}@h/x",
    "https://u:p/w@h/x": f"https://{MASK}@h/x",
    "https://u:p#w@h/x": f"https://{MASK}@h/x",
    "errorwithoutablankbeforethehttp://u:pw@h": f"errorwithoutablankbeforethehttp://{MASK}@h",
    "HTTP://u:'\"@h": f"HTTP://{MASK}@h",
    "s3://b?endpoint=http%3A%2F%2Fu%3Apw%40h": f"s3://b?endpoint=http%3A%2F%2F{MASK}%40h",
    "two http://a:b@h and http://c:d@i": f"two http://{MASK}@h and http://{MASK}@i",
}


@pytest.mark.parametrize(("text", "expected"), URLS.items())
def test_user_and_password_of_a_url_are_masked(text: str, expected: str) -> None:
    assert redacted(text) == expected


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "part",
    [
        "a",
        "a:",
        "a://",
        "http://a:",
        "http://a:b/",
        "%3A%2F%2Fa",
        "a@",
        "secret_key=",
        "A" * 86 + ".",
    ],
)
def test_megabytes_of_anything_are_masked_in_time(part: str) -> None:
    text = part * (1_000_000 // len(part))
    assert redacted(text + " %40 http://user:password@host").endswith(f" http://{MASK}@host")


@pytest.mark.parametrize("text", [url for url in URLS if "%40" not in url and "two" not in url])
def test_a_url_with_a_user_is_recognised(text: str) -> None:
    assert has_userinfo(text)


@pytest.mark.parametrize(
    "url",
    [
        "https:/u:hunter22@h/x",
        "https:u:hunter22@h",
        "//u:hunter22@h/x",
        "https://u%3Ahunter22%40h/x",
        "s3:/u:hunter22@b?x=y",
    ],
)
def test_a_password_in_a_malformed_url_is_masked(url: str) -> None:
    assert "hunter22" not in redacted(f"the URL '{url}' is refused")
    assert "hunter22" not in redacted(f"{url} is not a file")


def test_a_password_on_the_command_line_is_known_by_value() -> None:
    keep_argument_secret(["use", "user:hunter22@h.example", "--name", "a@b", "x:y"])
    assert (
        redacted("no cache user:hunter22@cache.example.org") == f"no cache {MASK}@cache.example.org"
    )
    assert redacted("a@b x:y hunter22") == f"a@b x:y {MASK}"


@pytest.mark.parametrize(
    "text",
    [
        "https://h/actions/checkout@v4",
        "https://h:9000/a@b",
        "http://[::1]:9000/a@b",
        "https://h/?mail=a@b",
        "https://h/?mail=a%40b",
        "https://h:9000/a%40b",
        "PATH=/a/bin:/opt/python@3.11/bin",
        "arn:aws:sts::123:assumed-role/Admin/a@b",
        "write to a@b or see https://h",
        f"key-1:{PUBLIC_KEY}",
        f"Sig: key-1:{SIGNATURE}",
        "s3://bucket?profile=p&endpoint=http%3A%2F%2Fh%3A9000&secret-key=/etc/nix/key",
        "secret-key-files = /etc/nix/key",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_what_holds_no_secret_stays(text: str) -> None:
    assert redacted(text) == text
    assert not has_userinfo(text)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET /x?a=b&X-Amz-Signature=0a1b2c HTTP", "0a1b2c"),
        ("https://h/x?X-Amz-Security-Token=abc%2Fdef&b=c", "abc%2Fdef"),
        ("https://h/x?X-Amz-Credential=AKIA%2F2026&b=c", "AKIA"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("{'Proxy-Authorization': 'Basic dTpw'}", "dTpw"),
        ("aws_secret_access_key: TOPSECRETabc=", "TOPSECRETabc"),
        ('{"secretAccessKey": "wJalrXUtnFEMI"}', "wJalrXUtnFEMI"),
        (f"key-1:{SECRET_KEY}", SECRET_KEY[:20]),
        (f"the key {SECRET_KEY!r} is wrong", SECRET_KEY[:20]),
        (SECRET_KEY.rstrip("=").replace("+", "-").replace("/", "_"), SECRET_KEY[:20]),
    ],
)
def test_what_is_a_secret_wherever_it_stands_is_masked(text: str, secret: str) -> None:
    assert secret not in redacted(text)
    assert MASK in redacted(text)
