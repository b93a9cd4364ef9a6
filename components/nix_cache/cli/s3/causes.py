"""Why a host gave no answer: one table of problems, fixes, and what may pass. Pure.

Other tries follow as those of cloud SDKs: after failures of name resolution, connections and TLS,
never after what stays until it is corrected, such as a certificate.
"""

import errno
import http.client
import re
import socket
import ssl
from dataclasses import dataclass
from enum import Enum

import urllib3

from nix_cache.formats.manifest import SMALLEST_PART_MIB

_LONGEST_REASON = 200


@dataclass(frozen=True)
class _Text:
    """One kind of failure.

    Attributes:
        problem: with ``{where}`` for scheme, host and port, and ``{reason}``.
        fix: an order; empty for the fix of each command.
        may_pass: whether another try may succeed.
    """

    problem: str
    fix: str = ""
    may_pass: bool = True


_SILENT = "{where} does not answer: {reason}"
_REFUSED_CERTIFICATE = "the certificate of {where} "
_ASK_PROXY = "ask who runs the proxy, or list the host in no_proxy"
_RENEW = "renew it, and make its renewal automatic"


class Cause(Enum):
    """Every kind of failure without an answer."""

    TIMEOUT = "timeout"
    NAME = "name"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"
    CUT_OFF = "cut off"
    NOT_HTTP = "not http"
    OTHER = "other"
    ADDRESS = "address"
    LARGE_BODY = "large body"
    CERTIFICATE_EXPIRED = "certificate expired"
    CERTIFICATE_FUTURE = "certificate future"
    CERTIFICATE_SELF_SIGNED = "certificate self signed"
    CERTIFICATE_PRIVATE = "certificate private"
    CERTIFICATE_UNKNOWN = "certificate unknown"
    CERTIFICATE_HOST = "certificate host"
    CERTIFICATE_OTHER = "certificate other"
    TLS_MISSING = "tls missing"
    TLS_EXPECTED = "tls expected"
    TLS_VERSION = "tls version"
    TLS_CLIENT = "tls client"
    PROXY_LOGIN = "proxy login"
    PROXY_REFUSES = "proxy refuses"
    PROXY_FAILS = "proxy fails"
    PROXY_CERTIFICATE = "proxy certificate"
    PROXY_SILENT = "proxy silent"

    def problem(self, where: str, reason: str) -> str:
        """Return the problem in words.

        Args:
            where: scheme, host and port.
            reason: what is known in detail.
        """
        return _TEXTS[self].problem.format(where=where, reason=reason)

    @property
    def fix(self) -> str:
        """What to do; empty if that depends on the command."""
        return _TEXTS[self].fix

    @property
    def may_pass(self) -> bool:
        """Whether another try may succeed."""
        return _TEXTS[self].may_pass

    @property
    def is_certificate(self) -> bool:
        """Whether the certificate was refused."""
        return self.name.startswith("CERTIFICATE_")


_TEXTS = {
    Cause.TIMEOUT: _Text(_SILENT),
    Cause.NAME: _Text(_SILENT, "correct the name, or the DNS settings of this machine"),
    Cause.REFUSED: _Text(_SILENT, "start the server, or correct the port"),
    Cause.UNREACHABLE: _Text(_SILENT, "check the network and firewalls between here and there"),
    Cause.CLOSED: _Text(_SILENT),
    Cause.CUT_OFF: _Text(_SILENT),
    Cause.NOT_HTTP: _Text(_SILENT, "correct the port: what answers there does not speak HTTP"),
    Cause.OTHER: _Text(_SILENT),
    Cause.ADDRESS: _Text("{where} is not a valid address: {reason}", "correct it", may_pass=False),
    Cause.LARGE_BODY: _Text(
        "{where} closed the connection in the middle of a large body: {reason}",
        "a proxy in front of the storage may limit the size of bodies: try --part-size "
        f"{SMALLEST_PART_MIB}, set partSizeMib of the stack, or raise the limit "
        "(client_max_body_size in nginx)",
    ),
    Cause.CERTIFICATE_EXPIRED: _Text(_REFUSED_CERTIFICATE + "has expired", _RENEW, may_pass=False),
    Cause.CERTIFICATE_FUTURE: _Text(
        _REFUSED_CERTIFICATE + "is not valid yet",
        "set the clock of this machine, or get a certificate that is valid now",
        may_pass=False,
    ),
    Cause.CERTIFICATE_SELF_SIGNED: _Text(
        _REFUSED_CERTIFICATE + "is signed by itself",
        "use one of a public authority, such as Let's Encrypt, or add it to the file of "
        "ssl-cert-file in nix.conf, which Nix and nix-cache trust",
        may_pass=False,
    ),
    Cause.CERTIFICATE_PRIVATE: _Text(
        _REFUSED_CERTIFICATE + "is signed by a private authority",
        "add that authority to the file of ssl-cert-file in nix.conf, which Nix and nix-cache "
        "trust",
        may_pass=False,
    ),
    Cause.CERTIFICATE_UNKNOWN: _Text(
        _REFUSED_CERTIFICATE + "is signed by an unknown authority",
        "serve the whole chain, or add the authority to the file of ssl-cert-file in nix.conf, "
        "which Nix and nix-cache trust",
        may_pass=False,
    ),
    Cause.CERTIFICATE_HOST: _Text(
        _REFUSED_CERTIFICATE + "is for another host",
        "get one for this host, or correct the stack's endpoint",
        may_pass=False,
    ),
    Cause.CERTIFICATE_OTHER: _Text(
        _REFUSED_CERTIFICATE + "is refused: {reason}", "replace it", may_pass=False
    ),
    Cause.TLS_MISSING: _Text(
        "{where} answers without TLS",
        "write http:// in the URL or endpoint, or correct the port",
        may_pass=False,
    ),
    Cause.TLS_EXPECTED: _Text(
        "{where} wants TLS", "write https:// in the URL or endpoint", may_pass=False
    ),
    Cause.TLS_VERSION: _Text(
        "{where} offers no version of TLS that is accepted here ({reason})",
        "let the server offer TLS 1.2 or 1.3",
        may_pass=False,
    ),
    Cause.TLS_CLIENT: _Text(
        "{where} wants a certificate of this client ({reason})",
        "let the server accept clients without one, as Nix is",
        may_pass=False,
    ),
    Cause.PROXY_LOGIN: _Text(
        "the proxy for {where} requires a login (407)",
        "write user and password into the variable, such as "
        "https_proxy=http://USER:PASSWORD@proxy.example.org:3128",
        may_pass=False,
    ),
    Cause.PROXY_REFUSES: _Text("the proxy refuses {where}: {reason}", _ASK_PROXY, may_pass=False),
    Cause.PROXY_FAILS: _Text("the proxy does not reach {where}: {reason}", _ASK_PROXY),
    Cause.PROXY_CERTIFICATE: _Text(
        "the certificate of the proxy for {where} is refused: {reason}",
        "add its authority to the file of ssl-cert-file in nix.conf, which Nix and nix-cache trust",
        may_pass=False,
    ),
    Cause.PROXY_SILENT: _Text(
        "the proxy for {where} does not answer: {reason}",
        "correct http_proxy, https_proxy or all_proxy, or list the host in no_proxy",
    ),
}

_VERIFY_CODES = {
    9: Cause.CERTIFICATE_FUTURE,
    10: Cause.CERTIFICATE_EXPIRED,
    18: Cause.CERTIFICATE_SELF_SIGNED,
    19: Cause.CERTIFICATE_PRIVATE,
    20: Cause.CERTIFICATE_UNKNOWN,
    21: Cause.CERTIFICATE_UNKNOWN,
    62: Cause.CERTIFICATE_HOST,
    64: Cause.CERTIFICATE_HOST,
}
"""By OpenSSL's code of verification."""

_TLS_REASONS = (
    (re.compile("WRONG_VERSION_NUMBER|HTTP_REQUEST|PACKET_LENGTH_TOO_LONG"), Cause.TLS_MISSING),
    (re.compile("RECORD_LAYER_FAILURE"), Cause.TLS_MISSING),
    (re.compile("PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS"), Cause.TLS_VERSION),
    (re.compile("CERTIFICATE_REQUIRED"), Cause.TLS_CLIENT),
)
"""By OpenSSL's reason, which is a constant of its sources."""

_TUNNEL = re.compile(r"Tunnel connection failed: ([0-9]{3})")
_TLS_ALERT = "\x15\x03"
_UNREACHABLE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})
_RESETS = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


def innermost(failure: BaseException) -> BaseException:
    """Return the first cause of a failure of urllib3: a reason, a cause, or an argument."""
    seen = failure
    while not isinstance(seen, ssl.SSLError):
        candidates = (getattr(seen, "reason", None), seen.__cause__, *seen.args[:2])
        inner = next((one for one in candidates if isinstance(one, BaseException)), None)
        if inner is None:
            break
        seen = inner
    if isinstance(seen, urllib3.exceptions.TimeoutError):
        return TimeoutError("timed out")
    return seen


def cause_of(failure: BaseException) -> Cause:
    """Return what kind of failure it is."""
    inner = innermost(failure)
    if found := _TUNNEL.search(str(inner)):
        status = int(found[1])
        if status == http.client.PROXY_AUTHENTICATION_REQUIRED:
            return Cause.PROXY_LOGIN
        return Cause.PROXY_FAILS if status >= 500 else Cause.PROXY_REFUSES
    if _is_of_proxy(failure):
        is_certificate = isinstance(inner, ssl.SSLCertVerificationError)
        return Cause.PROXY_CERTIFICATE if is_certificate else Cause.PROXY_SILENT
    match inner:
        case ssl.SSLCertVerificationError():
            return _VERIFY_CODES.get(inner.verify_code, Cause.CERTIFICATE_OTHER)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Cause.CLOSED
        case ssl.SSLError():
            reason = str(inner.reason)
            return next((cause for form, cause in _TLS_REASONS if form.search(reason)), Cause.OTHER)
        case TimeoutError():
            return Cause.TIMEOUT
        case urllib3.exceptions.LocationValueError() | UnicodeError():
            return Cause.ADDRESS
        case socket.gaierror():
            return Cause.NAME
        case ConnectionRefusedError():
            return Cause.REFUSED
        case urllib3.exceptions.IncompleteRead() | http.client.IncompleteRead():
            return Cause.CUT_OFF
        case http.client.RemoteDisconnected():
            return Cause.CLOSED
        case http.client.BadStatusLine() if (
            str(inner).strip("'").startswith((_TLS_ALERT, "\\x15\\x03"))
        ):
            return Cause.TLS_EXPECTED
        case http.client.HTTPException() | urllib3.exceptions.InvalidChunkLength():
            return Cause.NOT_HTTP
        case OSError(errno=number) if number in _UNREACHABLE:
            return Cause.UNREACHABLE
        case OSError() if isinstance(inner, _RESETS):
            return Cause.CLOSED
    return Cause.OTHER


def reason_of(failure: BaseException) -> str:
    """Return the reason of a failure in words, as a clause."""
    inner = innermost(failure)
    match inner:
        case ssl.SSLCertVerificationError():
            return inner.verify_message
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "it closed the connection during TLS"
        case ssl.SSLError():
            return f"TLS failed ({str(inner.reason or inner).replace('_', ' ').lower()})"
        case TimeoutError():
            return "no answer in time"
        case urllib3.exceptions.IncompleteRead() | http.client.IncompleteRead():
            return "the answer was cut off"
        case http.client.RemoteDisconnected():
            return "it closed the connection without an answer"
        case http.client.HTTPException() | urllib3.exceptions.InvalidChunkLength():
            return "the answer is not valid HTTP"
        case OSError(strerror=str(text)) if text:
            return text
    text = str(inner) or type(inner).__name__
    if found := _TUNNEL.search(text):
        return text[found.start() :].removeprefix("Tunnel connection failed: ")[:_LONGEST_REASON]
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def _is_of_proxy(failure: BaseException) -> bool:
    """Return whether the connection to the proxy itself failed."""
    seen: BaseException | None = failure
    while seen is not None:
        if isinstance(seen, urllib3.exceptions.ProxyError):
            return True
        seen = seen.__cause__
    return False
