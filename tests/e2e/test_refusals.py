"""What a reading Nix refuses, and why, in its own words."""

import re

import pytest
import zstandard

from nix_cache.formats import signing
from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused


@pytest.fixture
def reader(cache: Cache, new_nix: NewNix) -> Nix:
    """Provide a machine with the stack's nix.conf that remembers nothing of caches."""
    machine = new_nix()
    machine.configure(
        cache.outputs["nixConf"],
        "narinfo-cache-positive-ttl = 0",
        "narinfo-cache-negative-ttl = 0",
    )
    return machine


def test_an_unsigned_path_is_refused(cache: Cache, writer: Nix, reader: Nix) -> None:
    """A push without the key uploads, and no machine accepts it; signed, all do."""
    path = store_paths.build(writer).root
    writer.get("copy", "--to", cache.outputs["pushUrls"]["nixbuilder"], path)
    assert cache.narinfo(path).signatures == ()

    assert_refused(reader, path, UNTRUSTED)

    cache.root.delete_object(Bucket=cache.bucket, Key=narinfo_key(path))
    writer.forget_caches()
    assert cache.push(writer, path).exit_code == 0
    assert_accepted(reader, path)


def test_a_path_signed_by_an_unknown_key_is_refused(cache: Cache, writer: Nix, reader: Nix) -> None:
    """Also if that key has the name of a trusted one."""
    path = store_paths.build(writer).root
    name = signing.name_of(cache.outputs["publicKeys"][0])
    stranger = signing.generate(name)
    key = writer.write_key(stranger.secret_text)
    url = cache.outputs["pushUrls"]["nixbuilder"]
    writer.get("copy", "--to", f"{url}&secret-key={key}", path)
    assert [signing.name_of(text) for text in cache.narinfo(path).signatures] == [name]

    assert_refused(reader, path, UNTRUSTED)
    assert_accepted_by_who_trusts(reader, path, cache.read_url, stranger.public_text)


def assert_accepted_by_who_trusts(reader: Nix, path: str, url: str, key: str) -> None:
    """Check that the path is intact, and only the key was missing."""
    reader.configure(f"substituters = {url}", f"trusted-public-keys = {key}")
    assert_accepted(reader, path)


@pytest.mark.parametrize(
    ("pattern", "forged"),
    [
        (rb"NarHash: sha256:.", b"NarHash: sha256:0"),
        (rb"NarSize: ", b"NarSize: 1"),
        (rb"References: .*", b"References: 00000000000000000000000000000000-forged"),
    ],
    ids=["hash", "size", "references"],
)
def test_a_tampered_narinfo_is_refused(
    cache: Cache, reader: Nix, pushed: str, pattern: bytes, forged: bytes
) -> None:
    """Whatever the signature covers cannot be changed; put back, the path is taken."""
    key = narinfo_key(pushed)
    genuine = cache.read(key)
    changed = re.sub(pattern, forged, genuine, count=1)
    if changed == genuine:  # the hash happened to begin with the forged digit
        changed = genuine.replace(b"NarHash: sha256:0", b"NarHash: sha256:1")
    cache.write(key, changed)

    assert_refused(reader, pushed, UNTRUSTED)

    cache.write(key, genuine)
    assert_accepted(reader, pushed)


def test_a_tampered_nar_is_refused(cache: Cache, reader: Nix, pushed: str) -> None:
    """Another content of the same size is no valid path; put back, it is taken."""
    url = cache.narinfo(pushed).url
    genuine = cache.read(url)
    nar = zstandard.ZstdDecompressor().decompressobj().decompress(genuine)
    assert pushed.encode() not in nar
    forged = nar.replace(b" 0", b" 1")
    assert len(forged) == len(nar)
    assert forged != nar
    cache.write(url, zstandard.ZstdCompressor().compress(forged))

    assert_refused(reader, pushed, "hash mismatch")

    cache.write(url, genuine)
    assert_accepted(reader, pushed)


def test_a_narinfo_that_names_the_nar_of_another_path_is_refused(
    cache: Cache, writer: Nix, reader: Nix, pushed: str
) -> None:
    """The URL is not signed, but the hash of what is behind it is."""
    other = store_paths.build(writer).root
    assert cache.push(writer, other).exit_code == 0
    key = narinfo_key(pushed)
    genuine = cache.read(key)
    changed = genuine.replace(cache.narinfo(pushed).url.encode(), cache.narinfo(other).url.encode())
    assert changed != genuine
    cache.write(key, changed)

    assert_refused(reader, pushed, "hash mismatch")
