"""The real Nix with the URLs of a cache on Spaces, its objects on a local MinIO."""

from pathlib import Path

import pytest

from tests.e2e import store_paths
from tests.e2e.cache import READER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.refusal import assert_accepted
from tests.engine.spaces_project import (
    spaces,
    spaces_cache,
    spaces_engine,
    spaces_server,
    spaces_venv,
)
from tests.fakes.spaces_service import SpacesService
from tools.engine import Engine
from tools.server import LocalServer

__all__ = ["spaces", "spaces_engine", "spaces_server", "spaces_venv"]


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_what_a_writer_pushes_is_pulled(
    public: bool,
    tmp_path: Path,
    new_nix: NewNix,
    store_dir: str,
    spaces: SpacesService,
    spaces_engine: Engine,
    spaces_server: LocalServer,
    spaces_venv: Path,
) -> None:
    """By the writer's profile and region in, by the reader's or by HTTP out, signatures checked."""
    project = spaces_cache(tmp_path / "project", spaces_engine, spaces, spaces_venv)
    project.set(
        public=public, storeDir=store_dir, bucket=f"nix-{'public' if public else 'private'}"
    )
    cache = Cache.up(project, spaces_server)
    writer, reader = new_nix(), new_nix()
    cache.let_write(writer)
    path = store_paths.build(writer, 2).root

    pushed = cache.push(writer, path)

    assert pushed.exit_code == 0, pushed.output
    reader.configure(cache.outputs["nixConf"])
    if not public:
        cache.let_read(reader, READER)
    assert_accepted(reader, path)
    project.destroy()
