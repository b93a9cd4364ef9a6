"""Which paths that appeared in a store belong into a cache."""

from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.upload.new_paths import appeared, pushable, snapshot
from nix_cache.formats.narinfo import Narinfo
from nix_cache.formats.nixos_cache import NIXOS_CACHE
from tests.unit.cli.local_store import LocalStore
from tests.unit.formats.test_narinfo import HELLO


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    return LocalStore(tmp_path, monkeypatch)


def names(*paths: str) -> list[str]:
    return [path.rpartition("/")[2] for path in paths]


def test_new_paths_and_paths_that_were_made_again_have_appeared(store: LocalStore) -> None:
    """Locks, derivations and other files have not."""
    old, again = Path(store.add("a-old")), Path(store.add("b-again"))
    before = snapshot(str(store.folder))
    (store.folder / "kept-inode").touch()  # else the file system gives the same inode again
    again.rename(store.folder / "moved-away")
    again.write_text("content")
    new = store.add("c-new")
    for name in ("c-new.lock", "f-new.drv", ".links"):
        (store.folder / (store.path(name) if name[0] != "." else name)).touch()
    found = appeared(before, snapshot(str(store.folder)))
    assert set(names(str(again), new)) <= set(found)
    assert old.name not in found
    assert not [name for name in found if name.endswith(".drv")]


def test_only_what_nix_holds_for_valid_is_pushed(store: LocalStore) -> None:
    good, failed = store.add("a-good"), store.add("b-failed", is_valid=False)
    assert pushable(names(good, failed), str(store.folder), NIXOS_CACHE) == [good]
    assert pushable([], str(store.folder), NIXOS_CACHE) == []


def test_sources_that_an_evaluation_fetched_are_left_out(store: LocalStore) -> None:
    """A build's output of that name is not one, and neither is another file that was added."""
    fetched = store.add("a-source", deriver=None)
    built, added = store.add("b-source"), store.add("c-added", deriver=None)
    assert pushable(names(fetched, built, added), str(store.folder), NIXOS_CACHE) == [built, added]


def test_paths_of_an_upstream_cache_are_left_out(store: LocalStore) -> None:
    """By their signature, which has to be valid: here, that of cache.nixos.org."""
    hello = Narinfo.parse(HELLO)
    fields = {
        "narHash": hello.nar_hash.nix32,
        "narSize": hello.nar_size,
        "references": [f"{hello.store_dir}/{name}" for name in hello.references],
    }
    given = names(hello.store_path)
    store.register(hello.store_path, **fields)
    assert pushable(given, hello.store_dir, NIXOS_CACHE) == [hello.store_path]
    store.register(hello.store_path, **fields, signatures=list(hello.signatures))
    assert pushable(given, hello.store_dir, NIXOS_CACHE) == []
    assert pushable(given, hello.store_dir, {}) == [hello.store_path]
    store.register(hello.store_path, **{**fields, "narSize": 1}, signatures=list(hello.signatures))
    assert pushable(given, hello.store_dir, NIXOS_CACHE) == [hello.store_path]


def test_a_store_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"the store .*gone cannot be read: No such file"):
        snapshot(str(tmp_path / "gone"))
