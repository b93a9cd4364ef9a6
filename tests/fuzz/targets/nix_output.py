"""What Nix prints: versions, store paths and settings."""

from nix_cache.cli.caches.same_cache import same_cache
from nix_cache.cli.nix import effective, versions
from nix_cache.formats import path_info
from tests.fuzz.target import Shape, Target

_PATH = b"/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"


def _check_version(data: bytes) -> bool:
    found = versions.installed(data.decode(errors="replace"))
    return found is not None and all(part >= 0 for part in found.version)


def _check_path_infos(data: bytes) -> bool:
    try:
        infos = path_info.parse(data.decode(errors="replace"))
    except path_info.PathInfoError:
        return False
    assert all(path.startswith("/") for path in infos.valid)
    return bool(infos.valid)


def _check_settings(data: bytes) -> bool:
    return effective.parsed(data.decode(errors="replace")) is not None


def _check_urls(data: bytes) -> bool:
    """Compare two substituters, of which any machine's nix.conf may name the second."""
    one, _, other = data.decode(errors="surrogateescape").partition("\n")
    assert same_cache(one, one)
    assert same_cache(one, other) == same_cache(other, one)
    return same_cache(one, other)


TARGETS = (
    Target("nix-version", _check_version, (b"nix (Nix) 2.34.8\n", b"nix (Nix) 2.3\n")),
    Target(
        "nix-path-info",
        _check_path_infos,
        (
            b'{"' + _PATH + b'": {"narHash": "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",'
            b' "narSize": 120, "references": ["' + _PATH + b'"], "signatures": []}}',
        ),
        Shape.JSON,
    ),
    Target(
        "nix-config-show",
        _check_settings,
        (b'{"substituters": {"value": ["https://a"]}, "require-sigs": {"value": true}}',),
        Shape.JSON,
    ),
    Target(
        "substituter-urls",
        _check_urls,
        (
            b"s3://b?endpoint=https%3A%2F%2Fs.example.org&profile=p\n"
            b"s3://b?endpoint=https%3A%2F%2Fs.example.org",
            b"https://a.example.org/b\nhttps://a.example.org/b/",
        ),
        tokens=(b"://[", b"https://[x", b"s3://", b"?endpoint=", b"@", b":99999/", b"\xef\xbc\x8f"),
    ),
)
