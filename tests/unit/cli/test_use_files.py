"""Files that change all together or not at all."""

import contextlib
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import files
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.machine.located import changeable_by_others, may_follow

UNPRIVILEGED = 65534


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Provide a folder that other users can reach, which pytest's own cannot be."""
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
    os.setresgid(UNPRIVILEGED, UNPRIVILEGED, 0)
    os.setresuid(UNPRIVILEGED, UNPRIVILEGED, 0)
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
    """Root may run the command on another user's file."""
    path = tmp_path / "nix.conf"
    path.write_bytes(b"old")
    os.chown(path, UNPRIVILEGED, UNPRIVILEGED)

    files.apply([FileChange(path, b"old", b"new")])

    assert (path.stat().st_uid, path.stat().st_gid, path.read_bytes()) == (
        UNPRIVILEGED,
        UNPRIVILEGED,
        b"new",
    )


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


def test_a_file_that_another_user_changed_meanwhile_takes_everything_back(tmp_path: Path) -> None:
    """Their change stays, and the files written before it are as they were, mode and all."""
    changes = changes_in(tmp_path)
    (tmp_path / "last").write_bytes(b"theirs")
    before = tree(tmp_path)

    with pytest.raises(ClientError, match="last was changed by another program meanwhile"):
        files.apply(changes)

    assert tree(tmp_path) == before
    assert not (tmp_path / "made").exists()


def test_a_folder_that_cannot_be_written_is_reported_before_anything_changes(
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


def test_a_file_that_cannot_be_read_is_reported(open_folder: Path) -> None:
    """It must not be taken for a missing one."""
    path = open_folder / "nix.conf"
    path.write_bytes(b"old")
    path.chmod(0)

    with without_privileges(), pytest.raises(ClientError, match=r"nix\.conf cannot be read"):
        files.read(path)


def test_a_folder_in_the_place_of_a_file_is_reported(tmp_path: Path) -> None:
    """And so is a pipe."""
    os.mkfifo(tmp_path / "pipe")

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ClientError, match="is not a file"):
            files.read(path)


def test_a_file_in_the_place_of_a_folder_is_reported(tmp_path: Path) -> None:
    """With the folder's name."""
    (tmp_path / "nix").write_bytes(b"")

    with pytest.raises(ClientError, match="nix is not a folder"):
        files.apply([FileChange(tmp_path / "nix" / "nix.conf", None, b"x")])


OTHER = 1234
"""The number of another user than root."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def anothers(open_folder: Path) -> Path:
    """Provide a folder of another user, as root comes upon it."""
    folder = open_folder / "theirs"
    folder.mkdir()
    os.chown(folder, OTHER, OTHER)
    return folder


def link_of(owner: int, link: Path, target: Path) -> Path:
    """Make a link that belongs to a user."""
    link.symlink_to(target)
    os.chown(link, owner, owner, follow_symlinks=False)
    return link


def status(owner: int, mode: int, group: int = 0) -> os.stat_result:
    """Return the status of a file."""
    return os.stat_result((mode, 0, 0, 1, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("uid", "link_owner", "folder", "expected"),
    [
        (0, 0, status(0, 0o40755), True),
        (0, 0, status(0, 0o41777), True),
        (0, 0, status(0, 0o41775, 30000), True),
        (0, 0, status(0, 0o40775, 0), True),
        (0, OTHER, status(0, 0o41777), False),
        (0, OTHER, status(0, 0o40755), False),
        (0, 0, status(0, 0o40777), False),
        (0, 0, status(0, 0o40775, 50), False),
        (0, 0, status(OTHER, 0o40755), False),
        (0, OTHER, status(OTHER, 0o40755), False),
        (OTHER, OTHER, status(OTHER, 0o40755), True),
        (OTHER, 0, status(0, 0o40755), True),
    ],
)
def test_root_follows_only_links_that_root_alone_can_change(
    uid: int, link_owner: int, folder: os.stat_result, expected: bool
) -> None:
    """And any other user follows those that the system lets them follow."""
    assert may_follow(status(link_owner, 0o120777), folder, uid) is expected


@as_root
@pytest.mark.parametrize("owner", [0, OTHER])
@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("relative", [False, True])
def test_root_writes_and_reads_nothing_by_a_link_of_another_user(
    open_folder: Path, anothers: Path, owner: int, is_folder: bool, relative: bool
) -> None:
    """Neither where the file is a link, nor a folder on the way to it."""
    kept = open_folder / "of-root"
    kept.mkdir()
    (kept / "nix.conf").write_bytes(b"secret")
    target = Path("../of-root") if relative else kept
    if is_folder:
        path = link_of(owner, anothers / "nix", target) / "nix.conf"
    else:
        path = link_of(owner, anothers / "nix.conf", target / "nix.conf")

    for act in (
        lambda: files.read(path),
        lambda: files.permissions(path),
        lambda: files.write(path, b"new", 0o644),
        lambda: files.apply([FileChange(path, b"secret", b"new")]),
        lambda: files.apply([FileChange(path, b"secret", None)]),
        lambda: files.require_writable([FileChange(path, b"secret", b"new")]),
        lambda: files.make_folder(path.with_name("queue") if is_folder else path, 0o755),
    ):
        with pytest.raises(ClientError, match="is a link in a folder that another user can change"):
            act()

    assert tree(kept) == {"nix.conf": (0o644, b"secret")}


@as_root
def test_a_folder_that_others_can_change_is_found(open_folder: Path, anothers: Path) -> None:
    """Wherever it is on the way, also behind a link."""
    (anothers / "inner").mkdir()
    (open_folder / "link").symlink_to(anothers / "inner")
    (open_folder / "open").mkdir()
    (open_folder / "open").chmod(0o777)
    (open_folder / "own").mkdir()

    assert changeable_by_others(anothers / "inner" / "new") == anothers
    assert changeable_by_others(open_folder / "link") == anothers
    assert changeable_by_others(open_folder / "open" / "new") == open_folder / "open"
    assert changeable_by_others(open_folder / "own" / "new") is None


@as_root
def test_root_does_not_read_what_another_user_gave_a_second_name(
    open_folder: Path, anothers: Path
) -> None:
    """A hard link to a file that only root can read."""
    (open_folder / "shadow").write_bytes(b"secret")
    (anothers / "nix.conf").hardlink_to(open_folder / "shadow")

    with pytest.raises(ClientError, match="has several names"):
        files.read(anothers / "nix.conf")


@as_root
def test_root_may_still_write_the_plain_files_of_another_user(anothers: Path) -> None:
    """They stay theirs."""
    path = anothers / "nix.conf"
    path.write_bytes(b"old")
    os.chown(path, OTHER, OTHER)

    files.apply([FileChange(path, b"old", b"new")])

    assert (path.read_bytes(), path.stat().st_uid) == (b"new", OTHER)


@pytest.mark.parametrize("up", ["", "../"])
def test_a_link_to_a_folder_is_followed_like_the_system_does(tmp_path: Path, up: str) -> None:
    """Also where the rest of the path goes up from its target, and where folders are missing."""
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/inner")

    files.write(tmp_path / f"link/{up}made/nix.conf", b"x", 0o644)

    folder = tmp_path / "real" / ("" if up else "inner")
    assert (folder / "made" / "nix.conf").read_bytes() == b"x"


def test_links_in_a_circle_are_one_clear_error(tmp_path: Path) -> None:
    """And no endless walk."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(ClientError, match=r"a cannot be read: Too many levels of symbolic links"):
        files.read(tmp_path / "a")


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    """Of files with secrets, of other files, and of folders."""
    before = os.umask(umask)
    try:
        files.write(tmp_path / "public" / "nix.conf", b"x", files.PUBLIC_FILE)
        key = FileChange(tmp_path / "private" / "key", None, b"x", 0o600, folder_mode=0o700)
        files.apply([key])
        files.make_folder(tmp_path / "hook" / "queue", 0o755)
    finally:
        os.umask(before)

    modes = {
        str(path.relative_to(tmp_path)): files.permissions(path)
        for path in tmp_path.rglob("*")
        if path != tmp_path
    }
    assert modes == {
        "public": 0o755,
        "public/nix.conf": 0o644,
        "private": 0o700,
        "private/key": 0o600,
        "hook": 0o755,
        "hook/queue": 0o755,
    }


def test_a_folder_that_is_too_open_is_narrowed(tmp_path: Path) -> None:
    """As an earlier release made it under umask 000."""
    (tmp_path / "queue").mkdir()
    (tmp_path / "queue").chmod(0o777)

    files.make_folder(tmp_path / "queue", 0o755)

    assert files.permissions(tmp_path / "queue") == 0o755


@pytest.mark.parametrize(
    ("mode", "expected"), [(0o600, 0o600), (0o400, 0o400), (0o644, 0o600), (0, 0o600)]
)
def test_a_file_with_secrets_that_is_too_open_is_narrowed(
    tmp_path: Path, mode: int, expected: int
) -> None:
    """One that is even more closed stays so."""
    path = tmp_path / "credentials"
    path.write_bytes(b"")
    path.chmod(mode)

    assert files.private_mode(path) == expected
    assert files.private_mode(tmp_path / "missing") == 0o600
