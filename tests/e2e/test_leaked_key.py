"""A signing key got out: what it signed is refused, and what is trusted is signed again."""

from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewCache, NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused
from tests.pages import commands


def sign_again(cache: Cache, machine: Nix, path: str) -> None:
    """Follow the page on a machine that has the path."""
    filled_in = {
        "NEW_KEY_FILE": str(machine.write_key(cache.outputs["signingKeys"]["builder"])),
        '"$PUSH_URL"': cache.outputs["pushUrls"]["builder"],
        "PATH": path,
    }
    for line in commands("docs/operations/compromised-writer.md", "Replace a signing key"):
        nix, *arguments = line.split()
        assert nix == "nix"
        machine.get(*(filled_in.get(argument, argument) for argument in arguments))


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
    """Readers get the one, refuse the other, and never get what a user put in its place."""
    cache = new_cache(writers=["builder"])
    cache.let_write(nix, "builder")
    trusted, doubtful, replaced = (store_paths.build(nix).root for _ in range(3))
    for path in (trusted, doubtful, replaced):
        assert cache.push(nix, path, writer="builder").exit_code == 0
    say_other_contents(cache, replaced)
    nix.forget_caches()

    cache.change(writers=[{"name": "builder", "generation": 2, "trustedGenerations": []}])
    for path in (trusted, replaced):
        sign_again(cache, nix, path)

    reader = new_nix()
    reader.configure(cache.outputs["nixConf"])
    assert_accepted(reader, trusted)
    assert_refused(reader, doubtful, UNTRUSTED)
    assert_refused(reader, replaced, UNTRUSTED)
    signers = [signature.partition(":")[0] for signature in cache.narinfo(trusted).signatures]
    assert "cache.example.org-builder-2" in signers
    names = [signature.partition(":")[0] for signature in cache.narinfo(replaced).signatures]
    assert names == ["cache.example.org-builder-1"]
