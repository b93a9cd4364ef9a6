"""What is built on one machine and pushed reaches others, byte for byte."""

import pytest

from nix_cache.formats.narinfo import verify
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.store_paths import Closure
from tests.e2e.writer import WritingMachine

SMALL_PATHS = 50
LARGE_BYTES = 110 * 10**6
"""More than is uploaded in one piece, also when compressed."""


@pytest.fixture(scope="module")
def closure(cache: Cache, module_nix: Nix) -> Closure:
    """Provide a pushed closure of more than 50 paths, one above 100 MB, built by `module_nix`."""
    built = store_paths.build(module_nix, SMALL_PATHS, [LARGE_BYTES], compressible=False)
    pushed = WritingMachine(module_nix, cache).push(built.root)
    assert pushed["pushed"] == sorted(built.paths)
    return built


@pytest.fixture
def reader(cache: Cache, new_nix: NewNix) -> Nix:
    """Provide a machine with the stack's nix.conf, without credentials."""
    machine = new_nix()
    machine.configure(cache.outputs["nixConf"])
    return machine


def assert_same(machine: Nix, closure: Closure) -> None:
    """Every path is there, with the bytes that were built."""
    assert len(closure.paths) > SMALL_PATHS
    assert machine.get("--check-validity", *closure.paths, program="nix-store") == ""
    assert machine.nar_hashes(closure.paths) == closure.nar_hashes


def test_every_path_is_in_the_cache_signed_by_the_writer(cache: Cache, closure: Closure) -> None:
    """The push signs the whole closure."""
    keys = cache.outputs["publicKeys"]
    names = [key.partition(":")[0] for key in keys]
    for path in closure.paths:
        assert list(verify(cache.narinfo(path), keys)) == names


def test_a_large_nar_is_uploaded_in_parts(cache: Cache, closure: Closure) -> None:
    """The server's ETag counts the parts."""
    large = max((cache.narinfo(path) for path in closure.paths), key=lambda info: info.nar_size)
    assert large.nar_size > 100 * 10**6
    etag = cache.root.head_object(Bucket=cache.bucket, Key=large.url)["ETag"]
    _, _, parts = etag.strip('"').partition("-")
    assert int(parts) > 1, etag


def test_what_was_deleted_is_pulled_again_by_nix_store(
    cache: Cache, module_nix: Nix, closure: Closure
) -> None:
    """The machine that built it loses it and gets it back without building."""
    module_nix.collect_garbage()
    assert not module_nix.has(closure.root)
    module_nix.configure(cache.outputs["nixConf"])

    pulled = module_nix.realise(closure.root)

    assert pulled.exit_code == 0, pulled.output
    assert_same(module_nix, closure)


def test_another_machine_pulls_by_nix_build(reader: Nix, closure: Closure) -> None:
    """`nix build` of a store path substitutes all of it."""
    reader.get("build", "--no-link", "--max-jobs", "0", closure.root)

    assert_same(reader, closure)


def test_another_machine_pulls_by_nix_copy(cache: Cache, reader: Nix, closure: Closure) -> None:
    """`nix copy --from` takes it from the substituter's URL."""
    reader.get("copy", "--from", cache.read_url, closure.root)

    assert_same(reader, closure)


def test_a_second_push_sends_nothing_again(cache: Cache, nix: Nix) -> None:
    """A machine that remembers nothing of the cache asks it, and leaves what is there."""
    cache.let_write(nix)
    root = store_paths.build(nix, 3).root
    assert cache.push(nix, root).exit_code == 0
    before = cache.changed_at()
    nix.forget_caches()

    pushed = cache.push(nix, root)

    assert pushed.exit_code == 0, pushed.output
    assert cache.changed_at() == before
