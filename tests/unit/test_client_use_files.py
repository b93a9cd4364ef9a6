"""Files that change all together or not at all."""

import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.client import files
from nix_cache.client.errors import ClientError
from nix_cache.client.files import FileChange

NOBODY = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Be an ordinary user for a while, for root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder, with its mode and content."""
    return {
        str(path.relative_to(folder)): (files.permissions(path), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o444, 0o664])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """Also one that is read-only: its folder is what counts."""
    path = tmp_path / "nix.conf"
    path.write_bytes(b"old")
    path.chmod(mode)

    files.apply([FileChange(path, b"old", b"new")])

    assert tree(tmp_path) == {"nix.conf": (mode, b"new")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    """Root may run the command on somebody else's file."""
    path = tmp_path / "nix.conf"
    path.write_bytes(b"old")
    os.chown(path, NOBODY, NOBODY)

    files.apply([FileChange(path, b"old", b"new")])

    assert (path.stat().st_uid, path.stat().st_gid, path.read_bytes()) == (NOBODY, NOBODY, b"new")


def test_a_new_private_file_is_never_readable_by_others(tmp_path: Path) -> None:
    """Nor are the folders that are made for it, whatever the umask."""
    path = tmp_path / ".aws" / "credentials"
    umask = os.umask(0)
    try:
        files.apply(
            [FileChange(path, None, b"x", files.PRIVATE_FILE, folder_mode=files.PRIVATE_FOLDER)]
        )
    finally:
        os.umask(umask)

    assert files.permissions(path) == 0o600
    assert files.permissions(path.parent) == 0o700


def test_a_new_public_file_is_readable_by_all(tmp_path: Path) -> None:
    """Whatever the umask: Nix of every user has to read it."""
    path = tmp_path / "nix" / "nix.conf"
    umask = os.umask(0o077)
    try:
        files.apply([FileChange(path, None, b"x")])
    finally:
        os.umask(umask)

    assert files.permissions(path) == 0o644
    assert files.permissions(path.parent) == 0o755


@pytest.mark.parametrize("target", ["there.conf", "missing.conf"])
def test_a_symbolic_link_stays_and_its_target_changes(tmp_path: Path, target: str) -> None:
    """Dotfiles are often links into a repository."""
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "there.conf").write_bytes(b"old")
    link = tmp_path / "nix.conf"
    link.symlink_to(f"dotfiles/{target}")

    files.apply([FileChange(link, files.read(link), b"new")])

    assert link.is_symlink()
    assert (tmp_path / "dotfiles" / target).read_bytes() == b"new"


def test_what_needs_no_change_is_not_written(tmp_path: Path) -> None:
    """Watchers of the file stay calm."""
    path = tmp_path / "nix.conf"
    path.write_bytes(b"same")
    inode = path.stat().st_ino

    files.apply([FileChange(path, b"same", b"same")])

    assert path.stat().st_ino == inode


def changes_in(folder: Path) -> list[FileChange]:
    """One file that changes, one that goes, one that comes, and a big one."""
    (folder / "changed").write_bytes(b"old")
    (folder / "changed").chmod(0o640)
    (folder / "gone").write_bytes(b"going")
    (folder / "last").write_bytes(b"last")
    return [
        FileChange(folder / "changed", b"old", b"new", 0o600),
        FileChange(folder / "gone", b"going", None),
        FileChange(folder / "made" / "come", None, b"come"),
        FileChange(folder / "last", b"last", b"x" * 4096),
    ]


def test_all_changes_are_made(tmp_path: Path) -> None:
    """And nothing is left beside the files."""
    files.apply(changes_in(tmp_path))

    assert tree(tmp_path) == {
        "changed": (0o600, b"new"),
        "last": (0o644, b"x" * 4096),
        "made/come": (0o644, b"come"),
    }


def test_when_the_disk_is_full_nothing_has_changed(tmp_path: Path) -> None:
    """The limit on file sizes fails in the same call as a full disk does."""
    changes = changes_in(tmp_path)
    before = tree(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, limits[1]))
    try:
        with pytest.raises(ClientError, match="last cannot be written: File too large; nothing"):
            files.apply(changes)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert tree(tmp_path) == before
    assert not (tmp_path / "made").exists()


def test_a_file_that_somebody_else_changed_meanwhile_takes_everything_back(tmp_path: Path) -> None:
    """Their change stays, and the files written before it are as they were, mode and all."""
    changes = changes_in(tmp_path)
    (tmp_path / "last").write_bytes(b"theirs")
    before = tree(tmp_path)

    with pytest.raises(ClientError, match="last was changed by somebody else meanwhile"):
        files.apply(changes)

    assert tree(tmp_path) == before
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_written_is_told_before_anything_changes(
    open_folder: Path,
) -> None:
    """One clear error, naming the file and the folder."""
    (open_folder / "nix.conf").write_bytes(b"old")
    change = FileChange(open_folder / "nix.conf", b"old", b"new")

    if os.geteuid() != 0:
        open_folder.chmod(0o555)
    with without_privileges(), pytest.raises(ClientError) as refused:
        files.require_writable([change])

    assert refused.value.problem == (
        f"{open_folder}/nix.conf cannot be written: this user may not write in {open_folder}; "
        "nothing was changed"
    )


def test_a_file_that_cannot_be_read_is_told(open_folder: Path) -> None:
    """It must not be taken for a missing one."""
    path = open_folder / "nix.conf"
    path.write_bytes(b"old")
    path.chmod(0)

    with without_privileges(), pytest.raises(ClientError, match=r"nix\.conf cannot be read"):
        files.read(path)


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    """And so is a pipe."""
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ClientError, match="is no file"):
            files.read(path)


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path: Path) -> None:
    """With the folder's name."""
    (tmp_path / "nix").write_bytes(b"")

    with pytest.raises(ClientError, match="nix is no folder"):
        files.apply([FileChange(tmp_path / "nix" / "nix.conf", None, b"x")])
