"""The real Nix while a cache moves from MinIO to SeaweedFS, and with another project's paths."""

import contextlib
import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from nix_cache.formats import signing
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.conftest import NewCache, NewNix
from tests.e2e.nix import Nix
from tests.e2e.refusal import UNTRUSTED, assert_accepted, assert_refused
from tests.e2e.writer import WritingMachine
from tests.engine.s3_project import running_seaweedfs, s3_cache
from tools.engine import Engine
from tools.seaweedfs import SeaweedServer

MOVER = "mover"
"""The writer of the new cache. Its key and its profile have other names than those of the old."""

OTHERS_KEY = signing.generate("other-project-1")
LARGE_BYTES = 20_000_000
"""Its NAR is put in two parts."""


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Provide a SeaweedFS for the tests of this module."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder by HTTP, as another project serves its cache; provide the URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Stay silent."""

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def owner_of(cache: Cache) -> dict[str, str]:
    """Return the credential of the administrator of a cache's server."""
    return dict(zip(("accessKeyId", "secretAccessKey"), cache.server.key_pair, strict=True))


def mirror(machine: WritingMachine, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """Mirror; return the output for programs."""
    done = machine.run("mirror", *arguments, "--json")
    assert done.exit_code == exit_code, done.output
    reported: dict[str, Any] = json.loads(done.out)
    return reported


def test_a_cache_moves_while_readers_read(
    tmp_path: Path,
    new_nix: NewNix,
    new_cache: NewCache,
    store_dir: str,
    engine: Engine,
    seaweedfs: SeaweedServer,
) -> None:
    """As docs/guides/move.md describes it: signatures are kept, and nothing is missing."""
    old = new_cache(writers=["builder"], bucket="old-cache")
    builder = WritingMachine(new_nix(), old, "builder")
    first = store_paths.build(builder.nix, 3, [LARGE_BYTES], compressible=False)
    builder.push(first.root, "--listings", "--pin", "release")
    project = s3_cache(tmp_path / "project", engine, seaweedfs)
    settings = {"retiredPublicKeys": old.outputs["publicKeys"], "storeDir": store_dir}
    project.set(public=True, bucket="new-cache", writers=[MOVER], **settings)
    new = Cache.up(project, seaweedfs)
    machine = WritingMachine(new_nix(), new, MOVER)
    used = machine.run("use", "-", "--user", "--yes", input=json.dumps(old.outputs))
    assert used.exit_code == 0, used.output
    machine.nix.add_profile("minio-root", owner_of(old))
    route = ("old-cache", "new-cache", "--from-owner", "minio-root")

    planned = mirror(machine, *route, "--dry-run")
    copied = mirror(machine, *route)

    assert planned["copied"] == copied["copied"] == sorted(first.paths)
    for path in first.paths:
        assert new.narinfo(path) == old.narinfo(path)
    kept = {key for key in old.changed_at() if not key.startswith(("nix-cache", "index.html"))}
    assert kept <= new.keys()
    assert any(key.endswith(".ls") for key in kept)
    assert new.read("nix-cache-pins/release/latest").decode() == f"{first.root}\n"
    both = new_nix()
    both.configure(
        f"substituters = {old.read_url} {new.read_url}",
        f"trusted-public-keys = {' '.join(new.outputs['publicKeys'])}",
    )
    assert_accepted(both, first.root)

    second = store_paths.build(builder.nix, 2)
    builder.push(second.root)
    again = mirror(machine, *route)

    assert again["copied"] == sorted(second.paths)
    assert again["skipped"] == sorted(first.paths)
    assert_accepted(both, second.root)
    old.project.destroy()
    both.forget_caches()
    reader = new_nix()
    reader.configure(new.outputs["nixConf"])
    for closure in (first, second):
        assert_accepted(reader, closure.root)
        assert reader.nar_hashes(closure.paths) == closure.nar_hashes
    project.destroy()


def test_a_closure_of_another_project_is_copied(cache: Cache, new_nix: NewNix, nix: Nix) -> None:
    """From any cache that `nix copy` filled and a web server serves, signed by the writer."""
    theirs = nix.folder / "served"
    closure = store_paths.build(nix, 3)
    key = nix.write_key(OTHERS_KEY.secret_text)
    nix.get("copy", "--to", f"file://{theirs}?compression=xz&secret-key={key}", closure.root)
    machine = WritingMachine(new_nix(), cache)
    reader = new_nix()
    reader.configure(cache.outputs["nixConf"])
    with served(theirs) as url:
        route = (url, cache.bucket, closure.root)

        refused = machine.run("mirror", *route, "--from-key", OTHERS_KEY.public_text)
        unknown = mirror(machine, *route, "--sign", exit_code=1)
        assert not reader.realise(closure.root).out
        copied = mirror(machine, *route, "--sign", "--from-key", OTHERS_KEY.public_text)

    assert refused.exit_code == 1
    assert "add --sign" in refused.output
    assert unknown["leftOut"].keys() == {closure.root}
    assert copied["copied"] == sorted(closure.paths)
    reader.forget_caches()
    assert_accepted(reader, closure.root)
    assert reader.nar_hashes(closure.paths) == closure.nar_hashes
    stranger = new_nix()
    stranger.configure(
        f"substituters = {cache.read_url}",
        f"trusted-public-keys = {signing.generate('stranger-1').public_text}",
    )
    assert_refused(stranger, closure.root, UNTRUSTED)
