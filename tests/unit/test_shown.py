"""Values in messages, of settings and of servers."""

import base64
import json

import pytest
from nacl.signing import SigningKey

from nix_cache.backends.b2.login import B2AccountError, Login
from nix_cache.backends.minio.connection import Connection, MinioServerError
from nix_cache.backends.spaces.connection import SpacesAccountError
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings
from nix_cache.formats import signing
from nix_cache.redaction import redacted
from nix_cache.shown import shown_value
from tools.ci import texts
from tools.ci.outcome import RunOutcome

PASSWORD = "S3cretPassw0rd"
KEY = SigningKey(bytes(range(32)))
SECRET_KEY = "k-1:" + base64.b64encode(bytes(KEY) + bytes(KEY.verify_key)).decode()
PUBLIC_KEY = "k-1:" + base64.b64encode(bytes(KEY.verify_key)).decode()


def mistakes(**settings: object) -> str:
    """Return what is said of a stack's configuration."""
    values = {"domain": "d.example", "minio": {"endpoint": "http://h:9000"}, **settings}
    with pytest.raises(SettingsError) as refused:
        checked_settings(
            {
                f"nix-cache:{key}": value if isinstance(value, str) else json.dumps(value)
                for key, value in values.items()
            }
        )
    return str(refused.value)


@pytest.mark.parametrize(
    "endpoint",
    [
        f"http://root:{PASSWORD}@h:9000",
        f"http://root:{PASSWORD} x@h:9000",
        f"http://root:{PASSWORD}/x@h:9000",
        f"http://root:{PASSWORD}<x@h:9000",
        f"http://root:{'x' * 60}{PASSWORD}@h:9000",
        f"http://{PASSWORD}@h:9000",
        f"http://:{PASSWORD}@h:9000",
        f"root:{PASSWORD}@h:9000",
        f"s3://root:{PASSWORD}@h",
        f"http://root:{PASSWORD}@[::1",
    ],
)
def test_a_password_in_an_endpoint_is_refused_and_not_shown(endpoint: str) -> None:
    said = mistakes(minio={"endpoint": endpoint})
    assert "nix-cache:minio.endpoint" in said
    assert PASSWORD not in said


@pytest.mark.parametrize("name", ["k-1", "example.net/team.a-1", "example.net/a+b-1", "u@host-1"])
def test_public_keys_are_shown_under_any_name(name: str) -> None:
    """Alone and in lists; one secret key masks the whole list."""
    public = f"{name}:{PUBLIC_KEY.partition(':')[2]}"
    for text in (public, f"'{public}'", f"['{public}', '{public}']", f"{public} {public}"):
        assert name[:1] in shown_value(text)
        assert "secret" not in shown_value(text)
    assert shown_value(f"{public} {SECRET_KEY}") == "(secret)"


def test_a_url_with_an_empty_user_is_refused() -> None:
    assert "has credentials in it" in mistakes(minio={"endpoint": "http://@h:9000"})
    assert "has credentials in it" in mistakes(minio={"endpoint": "http://:@h:9000"})


def test_a_password_in_the_address_of_the_providers_settings_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        checked_settings(
            {
                "nix-cache:domain": "d.example",
                "nix-cache:minio": "{}",
                "minio:minioServer": f"root:{PASSWORD}@h:9000",
            }
        )
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "key", [SECRET_KEY, SECRET_KEY[:-2], SECRET_KEY[4:], SECRET_KEY.replace("A", "B", 3)]
)
def test_a_secret_key_among_public_ones_is_refused_and_not_shown(key: str) -> None:
    said = mistakes(retiredPublicKeys=[key])
    assert "nix-cache:retiredPublicKeys[0]" in said
    assert key[10:30] not in said


@pytest.mark.parametrize("text", ["\x1b[2J", "\u202e", "\u200b", "a\nerror: b", "\x9b"])
def test_what_acts_on_a_terminal_is_escaped(text: str) -> None:
    said = mistakes(**{"domain": text, f"x{text}": "y", "backend": text})
    assert text not in said
    assert "error: b" not in [line[:8] for line in said.splitlines()]


def test_values_without_secrets_are_shown() -> None:
    for value in ("demo", "https://h/x", "ops@example.org", PUBLIC_KEY):
        assert shown_value(value) == value
    assert shown_value("a long text " * 6) == ("a long text " * 6)[:57] + "..."


@pytest.mark.parametrize("kind", [B2AccountError, MinioServerError, SpacesAccountError])
def test_what_a_server_says_is_one_harmless_line(kind: type[Exception]) -> None:
    said = str(kind(f"the server answers \x1b[2J\nNothing http://u:{PASSWORD}@h"))
    assert said == "the server answers \\x1b[2J\\nNothing http://****@h"


def test_what_holds_a_secret_keeps_it_out_of_all_that_is_printed() -> None:
    key = signing.generate("k-2")
    assert Connection("h:1", "root", "minio-password-1")
    assert Login("id", "b2-application-key-1")
    for secret in (key.secret_text.partition(":")[2], "minio-password-1", "b2-application-key-1"):
        assert redacted(f"<{secret}>") == "<****>"
    for shown in (repr(key), repr(Connection("h:1", "root", PASSWORD)), repr(Login("i", PASSWORD))):
        assert PASSWORD not in shown
        assert key.secret_text[-40:] not in shown


def test_reports_for_github_are_harmless() -> None:
    acting = f"\x1b[2J\u202e http://u:{PASSWORD}@h"
    found = RunOutcome(succeeded=False, changes=(), verdicts=(), errors=(f"{acting}\nmore",))
    for text in (
        texts.preview("dev", found),
        texts.drift("dev", [{"what": acting, "was": acting, "is": f"a\n{acting}", "fix": "x"}]),
    ):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert PASSWORD not in text
        assert "\\x1b[2J\\u202e" in text
