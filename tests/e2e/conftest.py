"""Fixtures for tests with the real Nix on a cache that the real engine made on the real MinIO.

nix: a machine (`tests.e2e.nix.Nix`) with its own store, home, nix.conf and credentials, and
    the commands `nix` and `nix-cache` on its user's PATH.
module_nix: the same for all tests of a module.
new_nix: makes further machines. All of them know their store under the same path, so that each can
    pull what another one built.
cache: a public cache (`tests.e2e.cache.Cache`) for the whole session: push what you like to it, but
    do not change its stack.
private_cache: the same, private, with the writer `nixbuilder` and the reader `nixreader`.
new_cache: makes a cache for one test, on its own server: `new_cache(writers=[...])`. Its stack
    may be changed: `cache.change(...)`.
writer: `nix` with the credentials of the writer of `cache`.
pushed: a path that `writer` built, signed and pushed to `cache`.

`nix.run("copy", ...)` gives the outcome; `nix.get(...)` has to succeed and gives the output. Run a
client as its user's shell would: `subprocess.run(["nix-cache", ...], env=nix.environment)`.
`tests.e2e.store_paths.build(nix, length, large_bytes)` builds a closure that no user built before.
`nix.home` and `nix.folder` are seen by the Nix too, and so is everything in pytest's folders.

Where the Nix cannot sign S3 requests, the `nix` on PATH goes through a signing proxy: it signs as
the profile that a URL on the command line names, or else one of the substituters (launchers.py).
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from offline.nix import NoNixError, RealNix, find
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.nix import Nix
from tests.e2e.signing_probe import signs_requests
from tests.engine.conftest import engine as engine
from tests.engine.conftest import pytest_collection_finish as pytest_collection_finish
from tests.engine.conftest import running_server
from tests.engine.project import public_cache
from tools.bootstrap import cache_folder
from tools.engine import Engine

NewNix = Callable[[], Nix]
NewCache = Callable[..., Cache]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("e2e")


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the folder that all machines see."""
    return tmp_path_factory.getbasetemp()


@pytest.fixture(scope="session")
def real_nix() -> RealNix:
    """Provide the Nix to test with."""
    try:
        return find(cache_folder())
    except NoNixError as missing:
        pytest.skip(f"nothing was proven: {missing}")


@pytest.fixture(scope="session")
def nix_signs(real_nix: RealNix, session_folder: Path) -> bool:
    """Provide whether the Nix signs S3 requests itself."""
    return signs_requests(real_nix, session_folder)


@pytest.fixture(scope="session")
def store_dir(real_nix: RealNix, session_folder: Path) -> str:
    """Provide the store's path on all machines."""
    return f"{real_nix.nix_folder(session_folder)}/store"


@pytest.fixture
def new_nix(
    real_nix: RealNix, nix_signs: bool, session_folder: Path, tmp_path: Path
) -> Iterator[NewNix]:
    """Provide machines with Nix that share nothing."""
    numbers = itertools.count(1)
    with ExitStack() as machines:

        def new() -> Nix:
            folder = tmp_path / f"machine-{next(numbers)}"
            return machines.enter_context(
                closing(Nix(real_nix, session_folder, folder, signs=nix_signs))
            )

        yield new


@pytest.fixture
def nix(new_nix: NewNix) -> Nix:
    """Provide a machine with Nix."""
    return new_nix()


@pytest.fixture(scope="module")
def module_nix(
    real_nix: RealNix,
    nix_signs: bool,
    session_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Nix]:
    """Provide a machine for all tests of a module."""
    folder = tmp_path_factory.mktemp("module") / "machine"
    with closing(Nix(real_nix, session_folder, folder, signs=nix_signs)) as machine:
        yield machine


@pytest.fixture
def new_cache(engine: Engine, store_dir: str, tmp_path: Path) -> Iterator[NewCache]:
    """Provide caches, each on its own server."""
    numbers = itertools.count(1)
    with ExitStack() as servers:

        def new(**settings: Any) -> Cache:
            folder = tmp_path / f"cache-{next(numbers)}"
            server = servers.enter_context(running_server(folder / "minio", engine))
            project = public_cache(folder / "project", engine, folder / "minio", storeDir=store_dir)
            project.set(**settings)
            return Cache.up(project, server)

        yield new


def shared_cache(folder: Path, engine: Engine, store_dir: str, **settings: Any) -> Iterator[Cache]:
    """Yield a cache for many tests."""
    with running_server(folder / "minio", engine) as server:
        project = public_cache(folder / "project", engine, folder / "minio", storeDir=store_dir)
        project.set(**settings)
        yield Cache.up(project, server)


@pytest.fixture(scope="session")
def cache(
    engine: Engine, store_dir: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cache]:
    """Provide a public cache for all tests that leave its stack as it is."""
    yield from shared_cache(tmp_path_factory.mktemp("cache"), engine, store_dir)


@pytest.fixture(scope="session")
def private_cache(
    engine: Engine, store_dir: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cache]:
    """Provide a private cache for all tests that leave its stack as it is.

    The bucket has dots in its name, which Nix and the client have to get along with.
    """
    folder = tmp_path_factory.mktemp("private-cache")
    yield from shared_cache(folder, engine, store_dir, public=False, bucket="private.example.org")


@pytest.fixture
def writer(cache: Cache, nix: Nix) -> Nix:
    """Provide a machine with the writer's credentials."""
    cache.let_write(nix)
    return nix


@pytest.fixture
def pushed(cache: Cache, writer: Nix) -> str:
    """Provide a path that was pushed and signed as it should be."""
    path = store_paths.build(writer).root
    done = cache.push(writer, path)
    assert done.exit_code == 0, done.output
    return path
