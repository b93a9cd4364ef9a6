"""What an upload reads from the local store, with the real Nix."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix.closure import closure_of
from nix_cache.cli.nix.temp_root import temp_root
from nix_cache.formats.nar_writer import NarSourceError, nar_chunks
from nix_cache.formats.nix_hash import NixHash
from tests.e2e import store_paths
from tests.e2e.nix import Nix
from tests.unit.formats.file_trees import Node, nodes, write

DAEMON_SECONDS = 30
TREES = 25

HOLDER = """\
import sys
from nix_cache.cli.nix.temp_root import temp_root
with temp_root(sys.argv[1:]):
    print("held", flush=True)
    sys.stdin.read()
"""


def dump(nix: Nix, path: Path, *options: str) -> bytes | None:
    """Return what `nix-store --dump` writes; None if it refuses."""
    done = subprocess.run(
        [nix.bin / "nix-store", *options, "--dump", path],
        env=nix.environment,
        cwd=nix.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None


def written(path: Path, *, case_hack: bool = False) -> bytes | None:
    """Return what we write; None if we refuse."""
    try:
        return b"".join(nar_chunks(path, case_hack=case_hack))
    except NarSourceError:
        return None


def test_any_tree_is_written_as_nix_writes_it(module_nix: Nix) -> None:
    """Also with names that are not UTF-8, and where the suffixes of macOS are removed."""
    numbers = itertools.count()
    found = {"refused": 0, "written": 0}

    @settings(
        deadline=None,
        max_examples=TREES,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(nodes)
    def is_equal(node: Node) -> None:
        path = module_nix.folder / f"tree-{next(numbers)}"
        write(node, path)
        assert written(path) == dump(module_nix, path)
        ours = written(path, case_hack=True)
        assert ours == dump(module_nix, path, "--option", "use-case-hack", "true")
        found["refused" if ours is None else "written"] += 1

    is_equal()
    assert found["written"] > TREES / 2


def test_a_closure_is_what_the_database_holds(module_nix: Nix) -> None:
    """Each path after its references, with the hash and the size of its NAR."""
    built = store_paths.build(module_nix, 4, [3_000_000])

    closure = closure_of([built.root], module_nix.environment)

    seen: set[str] = set()
    for info in closure:
        assert set(info.references) <= seen | {info.path}
        seen.add(info.path)
        outside = module_nix.store_folder / "store" / info.base_name
        content = b"".join(nar_chunks(outside))
        assert NixHash.of(content) == info.nar_hash
        assert NixHash.of(content) == NixHash.parse(built.nar_hashes[info.path])
        assert len(content) == info.nar_size
        assert info.deriver
        assert info.ultimate
        assert info.registration_time
        assert not info.signatures
    assert seen == set(built.paths)


def test_signatures_and_content_addresses_are_read(module_nix: Nix, tmp_path: Path) -> None:
    """As Nix prints them today."""
    key = module_nix.home / "key.sec"
    key.write_text(module_nix.get("key", "generate-secret", "--key-name", "test-1"))
    built = store_paths.build(module_nix)
    module_nix.get("store", "sign", "--key-file", str(key), built.root)
    (tmp_path / "source").write_text("content")
    added = module_nix.get("store", "add", str(tmp_path / "source"))

    infos = {i.path: i for i in closure_of([built.root, added], module_nix.environment)}

    assert [text.partition(":")[0] for text in infos[built.root].signatures] == ["test-1"]
    assert infos[built.root].ca is None
    assert infos[added].ca == f"fixed:r:{infos[added].nar_hash.nix32}"
    assert infos[added].deriver is None


def test_a_path_that_is_not_in_the_store_is_named(module_nix: Nix) -> None:
    built = store_paths.build(module_nix)
    gone = f"{module_nix.store_dir}/{'0' * 32}-gone"
    with pytest.raises(ClientError, match=f"not in this machine's store: {gone}"):
        closure_of([built.root, gone], module_nix.environment)
    with (
        pytest.raises(ClientError, match=f"not in this machine's store: {gone}"),
        temp_root([built.root, gone], module_nix.environment),
    ):
        pass


@contextmanager
def daemon(nix: Nix) -> Iterator[dict[str, str]]:
    """Provide a daemon of the machine's Nix; gives the environment of its users."""
    socket = nix.folder / "tmp" / "daemon.socket"
    environment = {**nix.environment, "NIX_DAEMON_SOCKET_PATH": str(socket)}
    command = [str(nix.bin / "nix"), "daemon"]
    with subprocess.Popen(
        command, env=environment, cwd=nix.home, start_new_session=True
    ) as process:
        try:
            end = time.monotonic() + DAEMON_SECONDS
            while not socket.exists():
                assert process.poll() is None, "the daemon ended"
                assert time.monotonic() < end, "the daemon does not listen"
                time.sleep(0.05)
            yield {**environment, "NIX_REMOTE": "daemon"}
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@pytest.fixture(params=["single-user", "daemon"])
def user(request: pytest.FixtureRequest, nix: Nix) -> Iterator[dict[str, str]]:
    """Provide the environment of a user of the machine, with a daemon and without."""
    if request.param == "daemon":
        with daemon(nix) as environment:
            yield environment
    else:
        yield nix.environment


def test_a_collection_spares_what_is_held_and_only_while_it_is_held(
    nix: Nix, user: dict[str, str]
) -> None:
    """With all that it needs, and nothing else."""
    held, other = store_paths.build(nix, 3), store_paths.build(nix)

    with temp_root([held.root], user):
        nix.get("store", "gc", env=user)
        assert [path for path in [*held.paths, *other.paths] if nix.has(path)] == [*held.paths]
        assert closure_of([held.root], user)
    nix.get("store", "gc", env=user)
    assert not [path for path in held.paths if nix.has(path)]


def test_a_client_that_was_killed_leaves_no_root(nix: Nix, user: dict[str, str]) -> None:
    """The program that holds the root ends when its input does."""
    held = store_paths.build(nix)
    command = [sys.executable, "-c", HOLDER, held.root]
    with subprocess.Popen(
        command, env=user, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"held\n"
        nix.get("store", "gc", env=user)
        assert nix.has(held.root)
        client.kill()
    for _ in range(50):
        nix.get("store", "gc", env=user)
        if not nix.has(held.root):
            break
    assert not nix.has(held.root)
    assert not list((nix.store_folder / "var/nix/gcroots/auto").glob("*"))
