"""A signing key got out: what it signed is refused, and what is trusted is signed again."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewCache, NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused
from tests.pages import commands


def sign_again(cache: Cache, machine: Nix, leaked: str, before: datetime) -> dict[str, Any]:
    """Follow the page as the bucket's owner; returns what is printed for programs."""
    owner = dict(zip(("accessKeyId", "secretAccessKey"), cache.server.key_pair, strict=True))
    machine.add_profile("minio-root", owner)
    outputs = machine.home / "outputs.json"
    outputs.touch(mode=0o600)
    outputs.write_text(json.dumps(cache.outputs))
    filled_in = {"prod": str(outputs), "KEY": leaked, "TIME": before.isoformat()}
    (line,) = commands("docs/operations/compromised-writer.md", "Replace a signing key")
    program, *arguments = [filled_in.get(argument, argument) for argument in line.split()]
    done = machine.run(*arguments, "--yes", "--json", program=program)
    assert done.exit_code == 1, done.output
    result: dict[str, Any] = json.loads(done.out)
    return result


def say_other_contents(cache: Cache, path: str) -> None:
    """Let a narinfo name a NAR that no trusted user made."""
    key = narinfo_key(path)
    lines = cache.read(key).decode().splitlines(keepends=True)
    other = f"NarHash: sha256:{'0' * 52}\n"
    reported = [other if line.startswith("NarHash:") else line for line in lines]
    assert reported != lines
    cache.write(key, "".join(reported).encode())


def test_what_is_trusted_is_signed_again_and_nothing_else(
    new_cache: NewCache, nix: Nix, new_nix: NewNix
) -> None:
    """Readers get what is old or built here, and refuse what came later or was replaced."""
    cache = new_cache(writers=["builder"])
    cache.let_write(nix, "builder")
    attacker = new_nix()
    cache.let_write(attacker, "builder")
    (leaked,) = cache.outputs["publicKeys"]
    old, replaced, built_here = (store_paths.build(nix).root for _ in range(3))
    others = [store_paths.build(attacker).root for _ in range(2)]
    kept, foreign = others
    for machine, path in ((nix, old), (nix, replaced), (nix, built_here), (attacker, kept)):
        assert cache.push(machine, path, writer="builder").exit_code == 0
    time.sleep(1.1)
    leak = datetime.now(UTC)
    time.sleep(1.1)
    assert cache.push(attacker, foreign, writer="builder").exit_code == 0
    cache.write(narinfo_key(built_here), cache.read(narinfo_key(built_here)))
    say_other_contents(cache, replaced)

    cache.change(writers=[{"name": "builder", "generation": 2, "trustedGenerations": []}])
    result = sign_again(cache, nix, leaked, leak)

    assert result["signed"] == {"byTrustedKey": 0, "asInLocalStore": 1, "beforeLeak": 2}
    assert sorted(result["untrusted"]) == sorted([replaced, foreign])
    reader = new_nix()
    reader.configure(cache.outputs["nixConf"])
    for path in (old, kept, built_here):
        assert_accepted(reader, path)
        signers = [signature.partition(":")[0] for signature in cache.narinfo(path).signatures]
        assert signers == [f"cache.example.org-builder-{generation}" for generation in (1, 2)]
    for path in (replaced, foreign):
        assert_refused(reader, path, UNTRUSTED)
