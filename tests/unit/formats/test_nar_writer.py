"""Writing NARs: any file tree becomes the NAR that Nix's specification asks for, piece by piece."""

import io
import os
import socket
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nix_cache.formats.nar import read_nar
from nix_cache.formats.nar_writer import NarSourceError, nar_chunks
from tests.e2e.verdicts.samples import directory, link, nar, regular
from tests.unit.formats.file_trees import File, Folder, Link, Node, nodes, write

MEBIBYTE = 1 << 20
DESCRIPTORS = Path("/proc/self/fd")


def written(path: Path, chunk_size: int = 64, *, case_hack: bool = False) -> bytes:
    """Return the NAR of a path."""
    return b"".join(nar_chunks(path, chunk_size=chunk_size, case_hack=case_hack))


def expected(node: Node) -> bytes:
    """Return the node of a NAR, after the specification."""
    match node:
        case File(content, executable):
            return regular(content, executable=executable)
        case Link(target):
            return link(target)
        case Folder(entries):
            return directory(*((name, expected(entries[name])) for name in sorted(entries)))


@settings(deadline=None, max_examples=60)
@given(nodes, st.integers(1, 200))
def test_a_tree_is_written_as_the_specification_says(node: Node, chunk_size: int) -> None:
    """And our reader, which is as strict as Nix's, reads it to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "path")
        write(node, path)

        content = written(path, chunk_size)

    assert content == nar(expected(node))
    assert read_nar(io.BytesIO(content), len(content)).size_bytes == len(content)


def test_only_the_owners_executable_bit_counts(tmp_path: Path) -> None:
    """As in Nix, which sets all of them or none."""
    path = tmp_path / "path"
    path.write_bytes(b"x")
    path.chmod(0o477)
    assert written(path) == nar(regular(b"x"))
    path.chmod(0o500)
    assert written(path) == nar(regular(b"x", executable=True))


def test_names_longer_together_than_any_path_are_read(tmp_path: Path) -> None:
    """A path in a store may be longer than what the system opens at once."""
    name, depth = "n" * 255, 40
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=descriptor)
        inner = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=descriptor))
    os.close(descriptor)

    node = directory(("file", regular(b"")))
    for _ in range(depth - 1):
        node = directory((name, node))
    assert written(tmp_path / name) == nar(node)


def test_more_nested_directories_than_nix_allows_are_refused(tmp_path: Path) -> None:
    """Readers with Nix 2.34 could not unpack them."""
    path = tmp_path / "path"
    deep = path.joinpath(*["d"] * 63)
    deep.mkdir(parents=True)
    assert read_nar(io.BytesIO(written(path)), MEBIBYTE)
    (deep / "d").mkdir()
    with pytest.raises(NarSourceError, match="is in 64 directories of its store path"):
        written(path)


def test_suffixes_of_the_case_hack_are_removed_where_nix_removes_them(tmp_path: Path) -> None:
    """The order is that of the names without them."""
    for name in ("a~nix~case~hack~1", "A", "a!", "b~nix~case~hack~2~nix~case~hack~1"):
        (tmp_path / name).touch()

    names = ["A", "a", "a!", "b"]
    assert written(tmp_path, case_hack=True) == nar(
        directory(*((name, regular(b"")) for name in names))
    )
    assert b"~nix~case~hack~2" in written(tmp_path)


def test_names_that_only_the_case_hack_distinguishes_are_refused(tmp_path: Path) -> None:
    """Nix refuses them, too."""
    (tmp_path / "a~nix~case~hack~1").touch()
    (tmp_path / "a").touch()
    with pytest.raises(NarSourceError, match="have the same name without the suffix"):
        written(tmp_path, case_hack=True)


def make_socket(path: Path) -> None:
    """Bind a socket to a path, which may be too long for one."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(("make", "kind"), [(make_socket, "a socket"), (os.mkfifo, "a named pipe")])
def test_what_no_nar_can_hold_is_named(
    make: Callable[[Path], None], kind: str, tmp_path: Path
) -> None:
    """It is not opened: that could block for ever."""
    make(tmp_path / "thing")
    with pytest.raises(NarSourceError, match=f"thing is {kind}; a store path has only files"):
        written(tmp_path)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(NarSourceError, match="gone cannot be read: No such file or directory"):
        written(tmp_path / "gone")


def changed(path: Path, change: Callable[[Path], object]) -> Iterator[bytes]:
    """Yield the pieces of a file that changes after the first megabyte was read."""
    for count, piece in enumerate(nar_chunks(path, chunk_size=MEBIBYTE)):
        if count == 1:
            change(path)
        yield piece


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: os.truncate(path, MEBIBYTE + 5), "it ends 3145723 bytes earlier"),
        (lambda path: os.truncate(path, 8 * MEBIBYTE), "it was written to"),
        (lambda path: path.write_bytes(bytes(4 * MEBIBYTE)), "it was written to"),
    ],
    ids=["shorter", "longer", "other content"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(
    change: Callable[[Path], object], reason: str, tmp_path: Path
) -> None:
    """A NAR of something that never was would be refused by every reader."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4 * MEBIBYTE))
    os.utime(path, (1, 1))
    with pytest.raises(NarSourceError, match=f"file changed while it was read: {reason}"):
        list(changed(path, change))


def test_memory_does_not_grow_with_the_size_of_a_file(tmp_path: Path) -> None:
    """A sparse file of 1 GiB takes a few pieces of memory."""
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, 1024 * MEBIBYTE)
    tracemalloc.start()
    try:
        assert sum(map(len, nar_chunks(path))) > 1024 * MEBIBYTE
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * MEBIBYTE


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="the system does not list descriptors")
def test_an_abandoned_nar_closes_its_files(tmp_path: Path) -> None:
    """A push that fails in between must not run out of descriptors."""
    path = tmp_path / "file"
    path.write_bytes(bytes(4 * MEBIBYTE))
    pieces = nar_chunks(path)
    next(pieces)
    opened = {str(entry.readlink()) for entry in DESCRIPTORS.iterdir() if entry.is_symlink()}
    assert str(path) in opened
    del pieces
    opened = {str(entry.readlink()) for entry in DESCRIPTORS.iterdir() if entry.is_symlink()}
    assert str(path) not in opened
