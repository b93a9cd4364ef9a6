"""`nix-cache resign` after a rotation, and a real Nix that trusts the new key alone."""

import json

from tests.e2e import store_paths
from tests.e2e.conftest import NewCache, NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused
from tests.e2e.writer import WritingMachine


def test_a_retired_key_is_followed_by_signatures_of_the_new_one(
    new_cache: NewCache, nix: Nix, new_nix: NewNix
) -> None:
    """A reader that trusts the new key alone refuses a path before, and gets its closure after."""
    cache = new_cache(writers=["builder"])
    machine = WritingMachine(nix, cache, "builder")
    closure = store_paths.build(nix, 3)
    assert machine.push(closure.root)["pushed"] == sorted(closure.paths)
    owner = dict(zip(("accessKeyId", "secretAccessKey"), cache.server.key_pair, strict=True))
    nix.add_profile("minio-root", owner)
    cache.change(writers=[{"name": "builder", "generation": 2}])
    new_keys = [key for key in cache.outputs["publicKeys"] if "-builder-2:" in key]
    conf = f"substituters = {cache.read_url}\ntrusted-public-keys = {new_keys[0]}\n"
    before = new_nix()
    before.configure(conf)
    assert_refused(before, closure.root, UNTRUSTED)

    outputs = json.dumps(cache.outputs)
    options = ["resign", "-", "--owner", "minio-root", "--json"]
    planned = machine.run(*options, "--dry-run", input=outputs)
    done = machine.run(*options, "--yes", input=outputs)

    assert planned.exit_code == done.exit_code == 0, done.output
    expected = {"byTrustedKey": 3, "asInLocalStore": 0, "beforeLeak": 0}
    assert json.loads(planned.out)["signed"] == json.loads(done.out)["signed"] == expected
    reader = new_nix()
    reader.configure(conf)
    assert_accepted(reader, closure.root)
    for path in closure.paths:
        signers = [signature.partition(":")[0] for signature in cache.narinfo(path).signatures]
        assert signers == [f"cache.example.org-builder-{generation}" for generation in (1, 2)]
