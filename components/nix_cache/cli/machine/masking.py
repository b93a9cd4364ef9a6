"""What may be shown of the lines of files in which others keep secrets too. Pure.

A diff has lines around the change. They may hold anything, so each file has a list of what is
shown, and everything else is masked.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from nix_cache.cli.machine.appended import HEADER
from nix_cache.formats import signing
from nix_cache.redaction import MASK, redacted

_OUR_COMMENTS = (
    re.compile(r"# The binary cache [\w.-]+, (?:added|written) by `nix-cache use`:"),
    re.compile(
        r"# The binary cache [\w.-]+\. `nix-cache use` keeps this file; `--remove` removes it\."
    ),
    re.compile(
        r"# The hook that pushes to the binary cache [\w.-]+; "
        r"`nix-cache hook --remove` removes it\."
    ),
    re.compile(re.escape(HEADER.decode().strip())),
)

_SHOWN_SETTINGS = frozenset(
    {
        *("substituters", "trusted-substituters", "trusted-public-keys"),
        *("trusted-users", "allowed-users", "require-sigs", "secret-key-files"),
        *("substitute", "build-use-substitutes", "builders-use-substitutes", "fallback"),
        *("connect-timeout", "download-attempts", "http-connections", "stalled-download-timeout"),
        *("narinfo-cache-negative-ttl", "narinfo-cache-positive-ttl"),
        *("netrc-file", "ssl-cert-file", "post-build-hook", "store", "build-users-group"),
        *("experimental-features", "system", "system-features", "extra-platforms", "sandbox"),
        *("max-jobs", "cores", "keep-outputs", "keep-derivations", "auto-optimise-store"),
        *("min-free", "max-free", "warn-dirty", "accept-flake-config"),
    }
)
"""Settings of nix.conf whose values are not secret, apart from those in URLs."""

_PUBLIC_KEYS = "trusted-public-keys"
_PUBLIC_KEY = re.compile(r"[^\s:]+:[A-Za-z0-9+/]{43}=")

_SHOWN_PARAMETERS = frozenset(
    {
        *("profile", "endpoint", "region", "scheme", "addressing-style", "priority", "trusted"),
        *("compression", "compression-level", "parallel-compression", "want-mass-query"),
        *(
            "multipart-upload",
            "secret-key",
            "narinfo-compression",
            "ls-compression",
            "write-nar-listing",
        ),
        *("path-info-cache-size", "store", "buffer-size", "ssh-key", "remote-program"),
    }
)
"""Parameters of Nix's store URLs. What else a URL has may be a token."""

_SETTING = re.compile(r"(?P<start>\s*(?P<name>[a-z][a-z-]{1,60})\s*=\s*)(?P<value>.*?)(?P<end>\s*)")
_INCLUDE = re.compile(r"\s*!?include\s+\S+\s*")

_SECTION = re.compile(r"\s*\[[^\[\]]*\]\s*")
_AWS_SETTING = re.compile(r"(?P<start>\s*(?P<name>[A-Za-z0-9_]+)\s*[=:]\s*)(?P<value>.*?)\s*")
_AWS_NAMES = frozenset(
    {
        *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"),
        *("region", "output", "role_arn", "source_profile", "credential_process", "mfa_serial"),
        *("sso_session", "sso_start_url", "sso_account_id", "sso_role_name", "sso_region", "s3"),
        *("endpoint_url", "external_id", "web_identity_token_file", "credential_source"),
    }
)
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def nix_conf_line(line: str) -> str:
    """Return a line of nix.conf as it may be shown.

    Names of settings are shown, the values of those that hold no secrets, includes, and our own
    comments. In URLs, users, passwords and parameters that Nix does not know are masked.
    """
    if not line.strip() or _is_our_comment(line):
        return line
    said, comment, _ = line.partition("#")
    rest = f"# {MASK}" if comment else ""
    if not said.strip():
        return f"{said}{rest}"
    if _INCLUDE.fullmatch(said):
        return said + rest
    setting = _SETTING.fullmatch(said)
    if setting is None:
        return f"{MASK} {rest}".rstrip()
    if not is_shown_setting(setting["name"]):
        return f"{setting['start']}{MASK}{setting['end']}{rest}"
    words = re.split(r"(\s+)", setting["value"])
    mask = _key if setting["name"].endswith(_PUBLIC_KEYS) else _word
    return setting["start"] + "".join(map(mask, words)) + setting["end"] + rest


def is_shown_setting(name: str) -> bool:
    """Return whether a name is that of a setting of nix.conf whose value is not secret."""
    return name.removeprefix("extra-") in _SHOWN_SETTINGS


def credentials_line(line: str) -> str:
    """Return a line of an AWS credentials file as it may be shown.

    Profiles' names are shown, the names of settings that the AWS tools know, key ids, and our own
    comments. Both ``name = value`` and ``name: value`` are settings to those tools.
    """
    if not line.strip() or _is_our_comment(line) or _SECTION.fullmatch(line):
        return line
    setting = _AWS_SETTING.fullmatch(line)
    if setting is None or setting["name"].lower() not in _AWS_NAMES:
        return MASK
    is_key_id = setting["name"].lower() == "aws_access_key_id"
    if is_key_id and _KEY_ID.fullmatch(setting["value"]):
        return line
    return f"{setting['start']}{MASK}"


def signing_key_line(line: str) -> str:
    """Return a line of a file with a signing key: the key's name."""
    name, colon, _ = line.partition(":")
    return f"{name}:{MASK}" if colon and signing.KEY_NAME.fullmatch(name) else MASK


def _is_our_comment(line: str) -> bool:
    return any(comment.fullmatch(line.strip()) for comment in _OUR_COMMENTS)


def _key(word: str) -> str:
    """Return a word of a list of public keys: what is not one may be a secret key, whole or cut."""
    return word if not word.strip() or _PUBLIC_KEY.fullmatch(word) else MASK


def _word(word: str) -> str:
    """Return a word of a value: what is secret in a URL, or looks like a secret key, is masked."""
    shown = redacted(word)
    try:
        query = urlsplit(word).query if "://" in word else ""
    except ValueError:
        return MASK
    if not query:
        return shown
    base = shown.partition("?")[0]
    return f"{base}?{'&'.join(_parameters(shown.partition('?')[2]))}"


def _parameters(query: str) -> Iterator[str]:
    for parameter in query.split("&"):
        name, equals, _ = parameter.partition("=")
        yield parameter if name in _SHOWN_PARAMETERS or not equals else f"{name}={MASK}"
