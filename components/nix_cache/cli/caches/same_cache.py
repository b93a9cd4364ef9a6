"""Whether two URLs name one cache, however they are spelled. Pure.

Nix compares substituters as texts, so it asks a cache twice that is named in two spellings. Here
URLs are compared by the place of the objects: host names have no letter case, ``https`` has the
port 443, a final slash and the parameters of a Nix store change nothing, and a bucket is one place
over ``s3://`` and over HTTP.
"""

import re
from urllib.parse import parse_qs, quote, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_AMAZON = re.compile(
    r"(?:(?P<bucket>[a-z0-9.-]+)\.)?s3(?:[.-][a-z0-9-]+){0,2}\.amazonaws\.com(?:\.cn)?"
)
"""AWS's hosts for buckets, with the region or without it: a bucket's name is unique on AWS."""


def same_cache(url: str, other: str) -> bool:
    """Return whether two substituters are one cache."""
    return not addresses(url).isdisjoint(addresses(other))


def same_access(url: str, other: str) -> bool:
    """Return whether two URLs of one cache read it in one way: signed over S3, or over HTTP."""
    return (_scheme(url) == "s3") == (_scheme(other) == "s3")


def is_listed(url: str, listed: str) -> bool:
    """Return whether the daemon takes a user's substituter for one that root lists.

    It compares texts, after it has put a query in order. Root's may have a final slash more.
    """
    asked, named = _in_order(url), _in_order(listed)
    return named == asked or (not asked.endswith("/") and named == f"{asked}/")


def addresses(url: str) -> frozenset[str]:
    """Return the addresses of a substituter's objects, each in one spelling.

    A bucket has two: in the path, and in the name of the host.
    """
    try:
        parts = urlsplit(url.strip())
        if parts.scheme in _PORTS:
            return frozenset({_http(parts.scheme, parts.netloc, parts.path)})
        if parts.scheme == "s3":
            return _s3(parts.netloc, parts.query)
    except ValueError:  # Nix cannot read it either
        return frozenset({url})
    return frozenset({url.rstrip("/")})


def _in_order(url: str) -> str:
    base, mark, query = url.partition("?")
    return f"{base}{mark}{'&'.join(sorted(unquote(query).split('&')))}"


def _scheme(url: str) -> str:
    return url.strip().partition(":")[0].lower()


def _http(scheme: str, authority: str, path: str) -> str:
    host = _host(scheme, authority)
    key = quote(unquote(path)).strip("/")
    if amazon := _AMAZON.fullmatch(host):
        return f"aws:{'/'.join(filter(None, (amazon['bucket'], key)))}"
    return f"{scheme}://{host}/{key}"


def _s3(bucket: str, query: str) -> frozenset[str]:
    parameters = {name: values[0] for name, values in parse_qs(query).items()}
    endpoint = parameters.get("endpoint", "").rstrip("/")
    if not endpoint:
        return frozenset({f"aws:{bucket}"})
    if "://" not in endpoint:
        endpoint = f"{parameters.get('scheme', 'https').lower()}://{endpoint}"
    parts = urlsplit(endpoint)
    in_path = _http(parts.scheme, parts.netloc, f"{parts.path}/{bucket}")
    if in_path.startswith("aws:"):
        return frozenset({in_path})
    return frozenset({in_path, _http(parts.scheme, f"{bucket}.{parts.netloc}", parts.path)})


def _host(scheme: str, authority: str) -> str:
    """Return the host and, unless it is the scheme's own, the port."""
    host = authority.rpartition("@")[2].lower()
    return host.removesuffix(f":{_PORTS.get(scheme)}").removesuffix(":")
