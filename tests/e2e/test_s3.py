"""The real Nix with a cache on a real SeaweedFS, pushed to by `nix-cache push` and `nix copy`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import store_paths
from tests.e2e.cache import READER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.refusal import assert_accepted
from tests.e2e.writer import WritingMachine
from tests.engine.s3_project import running_seaweedfs, s3_cache
from tools.engine import Engine
from tools.seaweedfs import SeaweedServer


@pytest.fixture(scope="module")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Provide a SeaweedFS for the tests of this module."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_what_a_writer_pushes_is_pulled(
    public: bool,
    tmp_path: Path,
    new_nix: NewNix,
    store_dir: str,
    engine: Engine,
    seaweedfs: SeaweedServer,
) -> None:
    """By our client and by `nix copy` in, by the reader's profile or by HTTP out."""
    project = s3_cache(tmp_path / "project", engine, seaweedfs)
    project.set(
        public=public, storeDir=store_dir, bucket=f"nix-{'public' if public else 'private'}"
    )
    cache = Cache.up(project, seaweedfs)
    machine, writer, reader = WritingMachine(new_nix(), cache), new_nix(), new_nix()
    cache.let_write(writer)
    ours = store_paths.build(machine.nix, 2).root
    theirs = store_paths.build(writer, 2).root

    assert ours in machine.push(ours)["pushed"]
    pushed = cache.push(writer, theirs)

    assert pushed.exit_code == 0, pushed.output
    reader.configure(cache.outputs["nixConf"])
    if not public:
        cache.let_read(reader, READER)
    for path in (ours, theirs):
        assert_accepted(reader, path)
    project.destroy()
