"""Whose signatures count, while keys are rotated and writers come and go."""

from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewCache, NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused


def push_new_path(cache: Cache, nix: Nix, writer: str) -> str:
    """Return its own path, pushed by a writer."""
    path = store_paths.build(nix).root
    pushed = cache.push(nix, path, writer=writer)
    assert pushed.exit_code == 0, pushed.output
    return path


def reader_of(cache: Cache, new_nix: NewNix) -> Nix:
    """Return a new machine with the nix.conf that the stack gives out now."""
    machine = new_nix()
    machine.configure(cache.outputs["nixConf"])
    return machine


def test_a_rotated_key_signs_and_the_earlier_one_counts_until_it_is_retired(
    new_cache: NewCache, nix: Nix, new_nix: NewNix
) -> None:
    """Both generations pull; after generation 1 is retired, only the second."""
    cache = new_cache(writers=[{"name": "builder", "generation": 1}])
    cache.let_write(nix, "builder")
    first = push_new_path(cache, nix, "builder")

    cache.change(writers=[{"name": "builder", "generation": 2}])
    second = push_new_path(cache, nix, "builder")
    signers = [cache.narinfo(path).signatures[0].partition(":")[0] for path in (first, second)]
    assert signers == [f"cache.example.org-builder-{generation}" for generation in (1, 2)]
    reader = reader_of(cache, new_nix)
    assert_accepted(reader, first)
    assert_accepted(reader, second)

    cache.change(writers=[{"name": "builder", "generation": 2, "trustedGenerations": []}])
    reader = reader_of(cache, new_nix)
    assert_refused(reader, first, UNTRUSTED)
    assert_accepted(reader, second)


def test_what_a_former_writer_signed_counts_while_their_key_is_listed(
    new_cache: NewCache, nix: Nix, new_nix: NewNix
) -> None:
    """Removal takes the credential at once, and trust only when the key is not listed."""
    cache = new_cache(writers=["alice", "bob-the-builder"])
    writers = {"alice": nix, "bob-the-builder": new_nix()}
    paths = {}
    for name, machine in writers.items():
        cache.let_write(machine, name)
        paths[name] = push_new_path(cache, machine, name)
    of_alice, of_bob = paths.values()
    bobs_key = next(key for key in cache.outputs["publicKeys"] if "-bob-" in key)
    bobs_url = cache.push_url(writers["bob-the-builder"], "bob-the-builder")

    cache.change(writers=["alice"], retiredPublicKeys=[bobs_key])
    reader = reader_of(cache, new_nix)
    assert_accepted(reader, of_alice)
    assert_accepted(reader, of_bob)

    bob = writers["bob-the-builder"]
    before = cache.keys()
    refused = bob.run("copy", "--to", bobs_url, store_paths.build(bob).root)
    assert refused.exit_code != 0
    assert "403" in refused.output
    assert cache.keys() == before

    cache.change(retiredPublicKeys=None)
    reader = reader_of(cache, new_nix)
    assert_accepted(reader, of_alice)
    assert_refused(reader, of_bob, UNTRUSTED)
