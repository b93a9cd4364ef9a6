"""What Nix prints: versions, tables, settings and events."""

from nix_cache.cli.doctor.machine import effective, same_cache
from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix import program
from nix_cache.cli.upload.events import Copying
from tests.fuzz.target import Shape, Target

_PATH = b"/nix/store/w9yy7v61ipb5rx6i35zq1mvc2iqfmps1-hello-2.10"
_EVENTS = (
    b'@nix {"action":"start","id":1,"level":3,"type":103,"text":"copying 2 paths"}\n'
    b'@nix {"action":"start","id":2,"level":3,"type":100,"fields":["a","b","c"]}\n'
    b'@nix {"action":"result","id":2,"type":105,"fields":[10,20,0,0]}\n'
    b'@nix {"action":"result","id":1,"type":105,"fields":[1,2,1,0]}\n'
    b'@nix {"action":"stop","id":2}\n'
    b'@nix {"action":"msg","level":1,"msg":"\\u001b[35;1mwarning:\\u001b[0m slow"}\n'
    b'@nix {"action":"msg","level":0,"msg":"error: it failed"}\n'
)


def _check_events(data: bytes) -> bool:
    copying = Copying()
    for line in data.decode(errors="replace").splitlines():
        copying.read(line)
        assert min(copying.copied_bytes, copying.done_paths, copying.all_paths) >= 0
    for message in (*copying.errors, *copying.warnings):
        assert len(message.splitlines()) <= 1
    return copying.done_paths > 0


def _check_version(data: bytes) -> bool:
    version = program.version_in(data.decode(errors="replace"))
    return version is not None and all(part >= 0 for part in version)


def _check_sizes(data: bytes) -> bool:
    try:
        sizes = program.sizes_in(data.decode(errors="replace"))
    except ClientError:
        return False
    assert all(path.startswith("/") and size >= 0 for path, size in sizes.items())
    return bool(sizes)


def _check_settings(data: bytes) -> bool:
    return effective(data.decode(errors="replace")) is not None


def _check_urls(data: bytes) -> bool:
    """Compare two substituters, of which any machine's nix.conf may name the second."""
    one, _, other = data.decode(errors="surrogateescape").partition("\n")
    assert same_cache(one, one)
    assert same_cache(one, other) == same_cache(other, one)
    return same_cache(one, other)


TARGETS = (
    Target(
        "nix-events",
        _check_events,
        (_EVENTS,),
        tokens=(b'@nix {"action":"start"}\n', b'"fields":[]', b'"id":null', b'"id":[1]', b"@nix "),
    ),
    Target("nix-version", _check_version, (b"nix (Nix) 2.34.8\n", b"nix (Nix) 2.3\n")),
    Target("nix-path-info", _check_sizes, (_PATH + b"\t  205968\n" + _PATH + b"-doc\t12\n",)),
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
