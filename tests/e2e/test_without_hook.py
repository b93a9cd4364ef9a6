"""`nix-cache exec` and `nix-cache watch-store`, with the real Nix to the real server."""

import secrets
import signal
from pathlib import Path

import pytest

from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.nix import Nix
from tests.e2e.writer import WritingMachine
from tests.waiting import wait_until

EXPRESSION = """\
{ seed }: derivation {
  name = "built-${seed}";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  args = [ "-c" "echo ${builtins.toFile "added-${seed}" "content"} > $out" ];
}
"""


@pytest.fixture
def machine(nix: Nix, cache: Cache) -> WritingMachine:
    """A machine that writes to the shared cache."""
    return WritingMachine(nix, cache)


def has(cache: Cache, path: str) -> bool:
    """Whether the cache has a narinfo of a path."""
    keys = cache.keys()
    return narinfo_key(path) in keys


def test_exec_pushes_what_was_built_and_keeps_the_code(
    machine: WritingMachine, cache: Cache
) -> None:
    """With what it refers to; not what was there before."""
    before, seed = store_paths.build(machine.nix), secrets.token_hex(8)
    expression = machine.nix.folder / "built.nix"
    expression.write_text(EXPRESSION)
    script = f"nix build --offline -f {expression} --argstr seed {seed} && exit 7"

    done = machine.run("exec", "--", "sh", "-c", script)

    assert done.exit_code == 7, done.output
    built = str(Path(machine.nix.home, "result").readlink())
    pushed = [path for path in closure(machine.nix, built) if has(cache, path)]
    assert len(pushed) == 2
    assert cache.narinfo(built).signatures
    assert not has(cache, before.root)


def closure(nix: Nix, path: str) -> list[str]:
    return nix.get("--query", "--requisites", path, program="nix-store").split()


def test_watch_store_pushes_what_becomes_valid(machine: WritingMachine, cache: Cache) -> None:
    """Until SIGTERM, which ends it within a moment."""
    before = store_paths.build(machine.nix)
    with machine.start("watch-store") as watching:
        assert watching.stdout is not None
        assert "Pushing what becomes valid in /nix/store" in watching.stdout.readline()
        closures = [store_paths.build(machine.nix, 2) for _ in range(2)]
        wait_until(
            lambda: all(has(cache, built.root) for built in closures), "pushed", seconds=60.0
        )
        watching.send_signal(signal.SIGTERM)
        said, _ = watching.communicate(timeout=30)
    assert watching.returncode == 128 + signal.SIGTERM, said
    for built in closures:
        for path in built.paths:
            assert cache.narinfo(path).signatures
    assert not has(cache, before.root)
