"""Which proxy a request goes through, as curl and so Nix choose it.

curl 8 reads ``http_proxy``, ``https_proxy`` or ``HTTPS_PROXY``, then ``all_proxy`` or
``ALL_PROXY``, and ``no_proxy`` or ``NO_PROXY``. An empty variable counts as missing. ``HTTP_PROXY``
is read here too, because it is widely set. curl ignores it, and ``nix-cache doctor`` reports that.
"""

import base64
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from nix_cache.cli.errors import ClientError

_DEFAULT_PORTS = {"http": 1080, "https": 443}
"""Of proxies without a port. 1080 is curl's."""

_SEPARATORS = re.compile(r"[,\s]+")


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Attributes:
        url: its scheme, host and port, without a password.
        variable: the environment variable that names it.
        headers: with which it is logged in to.
    """

    url: str
    variable: str
    headers: Mapping[str, str]


def proxy_of(url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy for a URL; None if requests go straight to the host.

    Raises:
        ClientError: the proxy is of a kind that is not supported, or its URL is not valid.
    """
    scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
    upper = f"{scheme}_proxy".upper()
    names = (f"{scheme}_proxy", upper, "all_proxy", "ALL_PROXY")
    variable = next((name for name in names if environment.get(name)), None)
    if variable is None:
        return None
    if is_excepted(host, environment.get("no_proxy") or environment.get("NO_PROXY") or ""):
        return None
    text = environment[variable]
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname:
        raise ClientError(
            f"{variable} names no valid proxy",
            "set it to a URL such as http://proxy.example.org:3128",
        )
    kind = parts.scheme.lower()
    if kind not in _DEFAULT_PORTS:
        raise ClientError(
            f"{variable} names a proxy of the unsupported kind {kind}",
            f"set {scheme}_proxy to an http:// proxy, or list {host} in no_proxy",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Proxy(
        f"{kind}://{host}:{port or _DEFAULT_PORTS[kind]}",
        variable,
        _login(parts.username, parts.password),
    )


def is_excepted(host: str, no_proxy: str) -> bool:
    """Return whether ``no_proxy`` names a host, as curl 8 reads it.

    Args:
        host: a name or an address, without brackets.
        no_proxy: ``*``, or names, domains, addresses and networks, separated by commas or blanks.
    """
    if no_proxy.strip() == "*":
        return True
    address = _address(host)
    name = host.lower().rstrip(".")
    for entry in filter(None, _SEPARATORS.split(no_proxy)):
        if address is not None:
            if _is_in(address, entry):
                return True
        else:
            domain = entry.lower().strip(".")
            if domain and (name == domain or name.endswith(f".{domain}")):
                return True
    return False


def _is_in(address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str) -> bool:
    try:
        network = ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    # The bytes are sent as they are in the variable, in any encoding, as curl does.
    login = b":".join(unquote_to_bytes(os.fsencode(part)) for part in (user, password or ""))
    return {"proxy-authorization": f"Basic {base64.b64encode(login).decode()}"}
