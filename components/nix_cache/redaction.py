"""Keeps secrets out of what is shown: by value where a value is known, else by their structure.

Whatever reads or makes a secret names it here once (``keep_secret``); whatever is shown passes
``redacted``. The types that hold secrets name them when they are made, so that no caller has to.
"""

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

MASK = "****"
_SHORTEST = 8
"""Characters of a secret that is masked by value. MinIO takes no shorter one, and to mask shorter
ones would spoil ordinary words."""

# Repetitions are bounded, for a foreign text of some megabytes must not take minutes.
_URL_WITH_USER = re.compile(
    r"""(?P<scheme>
            :/{1,9}
          | (?<![^\s"'=])//            # without a scheme, or with one but without slashes
          | (?<![^\s"'=])https?:(?!/)
        )
        (?:
            [^\s/?\#<>]{0,500}         # a user and perhaps a password, up to the last @ of the host
          | (?!\[)[^\s/?\#<>@:]{0,500}:(?!\d{0,5}[/?\#])[^\s<>]{0,500}  # a password with / ? or #
        )(?P<at>@|%40)""",
    re.VERBOSE,
)
_QUOTED_URL_WITH_USER = re.compile(
    r"(?P<scheme>%3A%2F%2F)(?:(?!%2F|%3F|%23)[^\s&\"'<>]){0,500}%40", re.IGNORECASE
)
"""The same as the value of a parameter in another URL."""

_SIGNED_QUERY = re.compile(
    r"""(?P<name>[?&;](?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature
        |access_token|token|sig|signature|password)=)[^\s&;"'<>]+""",
    re.VERBOSE | re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)[^\r\n\"']+", re.IGNORECASE
)
_NAMED_VALUE = re.compile(
    r"""(?P<name>\b(?:aws_?secret_?access_?key|aws_?session_?token|secret_?access_?key
        |application_?key|secret_?key|session_?token|minio_?password)["']?\s*[:=]\s*["']?)
        [^\s"',;}]{8,}""",
    re.VERBOSE | re.IGNORECASE,
)
_SECRET_VARIABLE = re.compile(
    r"^(?:.*_)?(?:SECRET(?:_ACCESS)?(?:_KEY)?|PASSWORD|PASSPHRASE|TOKEN|APPLICATION_KEY)$",
    re.IGNORECASE,
)
"""The names of variables whose values are secrets. One that names a file ends differently."""

_LONG_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{86}(?:==)?(?![A-Za-z0-9+/_=-])")
_KEY_BYTES = 64


class _KnownSecrets:
    """The secrets of this process, in the forms in which they may appear."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        if len(value) < _SHORTEST:
            return
        with self._lock:
            forms = {form for form in _forms(value) if len(form) >= _SHORTEST}
            if not forms <= self._forms:
                self._forms |= forms
                longest_first = sorted(self._forms, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text


_KNOWN = _KnownSecrets()


def keep_secret(*values: str | None) -> None:
    """Mask values from now on in everything that this process shows.

    Args:
        values: secrets in clear. None and what is shorter than eight characters are left out.
    """
    for value in values:
        if value is not None:
            _KNOWN.add(value)
            if value != value.strip():
                _KNOWN.add(value.strip())


def keep_environment_secret(environment: Mapping[str, str]) -> None:
    """Mask the secrets that an environment holds: those of storage services, and of proxies."""
    for name, value in environment.items():
        if _SECRET_VARIABLE.search(name):
            keep_secret(value)
        elif name.lower().endswith("_proxy"):
            keep_secret(*_passwords(value))


def keep_argument_secret(arguments: Iterable[str]) -> None:
    """Mask what a command line has before the ``@`` of a URL, also of one without a scheme."""
    for argument in arguments:
        if ":" in argument.rpartition("@")[0]:
            keep_secret(*_passwords(argument))


def redacted(text: str) -> str:
    """Mask every secret in a text.

    Those are the values that ``keep_secret`` got, and what is a secret wherever it stands: the
    user and password of a URL, the signature of a signed URL, an ``Authorization`` header, the
    value of a setting for a secret key, and a secret signing key of Nix, which differs from
    a signature by its arithmetic.
    """
    text = _KNOWN.mask(text)
    text = without_userinfo(text)
    for pattern in (_SIGNED_QUERY, _HEADER, _NAMED_VALUE):
        text = pattern.sub(rf"\g<name>{MASK}", text)
    return _LONG_BASE64.sub(lambda found: MASK if is_secret_key(found[0]) else found[0], text)


def without_userinfo(text: str) -> str:
    """Mask the user and the password in every URL of a text."""
    if "@" in text or "%40" in text:
        text = _URL_WITH_USER.sub(rf"\g<scheme>{MASK}\g<at>", text)
    if "%40" in text:
        text = _QUOTED_URL_WITH_USER.sub(rf"\g<scheme>{MASK}%40", text)
    return text


def has_userinfo(url: str) -> bool:
    """Return whether a URL names a user or a password."""
    after_scheme = url.partition("://")[2] or url.removeprefix("//")
    return "@" in re.split(r"[/?#]", after_scheme, maxsplit=1)[0] or without_userinfo(url) != url


def is_secret_key(text: str) -> bool:
    """Return whether base64 text is a secret Ed25519 key: a seed and its public key."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        content = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False
    if len(content) != _KEY_BYTES:
        return False
    from nacl.signing import SigningKey  # takes a while, and few texts need it

    seed, public = content[:32], content[32:]
    return bytes(SigningKey(seed).verify_key) == public


def _passwords(url: str) -> Iterable[str]:
    """Yield what stands before the host of a URL, as it is written."""
    user, at, _ = url.rpartition("@")
    if at:
        userinfo = user.rpartition("//")[2]
        yield userinfo
        yield userinfo.partition(":")[2]


def _forms(secret: str) -> Iterable[str]:
    """Yield a value in clear, in JSON, in URLs, in hexadecimal and in base64."""
    clear = secret.encode(errors="surrogateescape")
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from (quote(clear, safe=""), quote(clear), quote_plus(clear))
    yield clear.hex()
    yield base64.b64encode(clear).decode().rstrip("=")
    yield base64.urlsafe_b64encode(clear).decode().rstrip("=")
