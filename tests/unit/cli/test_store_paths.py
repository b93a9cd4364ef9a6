"""Lists of store paths, as people and other programs write them."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.nix.store_paths import entries_in, hashes_in, named_hash, split, store_hash

ONE, TWO = "0" * 32, "1" * 32
PATHS = [f"/nix/store/{ONE}-a", f"/nix/store/{TWO}-b"]
SEPARATORS = [" ", "\n", "\r\n", "\t", "\0", "\v", "\f", "\r", "\x85", "\u2028", "\u00a0", " \n\0"]


def listed(folder: Path, content: bytes) -> tuple[str, ...]:
    """Return the hashes in a file."""
    file = folder / "paths"
    file.write_bytes(content)
    return hashes_in(file)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_paths_are_separated_by_any_white_space_or_nul(tmp_path: Path, separator: str) -> None:
    """None of them is dropped."""
    assert listed(tmp_path, separator.join(PATHS).encode()) == (ONE, TWO)
    assert listed(tmp_path, f"{separator}{separator.join(PATHS)}{separator}".encode()) == (ONE, TWO)


def test_standard_input_is_read_in_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `nix path-info --recursive … | tr` may give it."""
    given = io.BytesIO("\0".join(PATHS).encode())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=given))
    assert hashes_in(Path("-")) == (ONE, TWO)


@given(st.lists(st.sampled_from(PATHS)), st.lists(st.sampled_from(SEPARATORS), min_size=1))
def test_no_entry_is_ever_lost(paths: list[str], separators: list[str]) -> None:
    """Whatever separates them."""
    text = "".join(f"{path}{separators[at % len(separators)]}" for at, path in enumerate(paths))

    assert [entry for _, entry in split(text)] == paths


@pytest.mark.parametrize(
    "text",
    [
        PATHS[0],
        f"{PATHS[0]}/bin/foo",
        f"{PATHS[0]}/",
        f"{ONE}-a",
        f"./{ONE}-a",
        ONE,
        f"{ONE}.narinfo",
        f"{PATHS[0]}/share/{TWO}-b",
        f"/mnt/nix/store/{ONE}-a",
    ],
)
def test_a_path_within_a_store_path_stands_for_it(text: str) -> None:
    """So do its last part, its hash, and the key of its narinfo."""
    assert store_hash(text, "x") == ONE


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (f"{PATHS[0]},{PATHS[1]}".encode(), "is not a store path"),
        (f"{PATHS[0]}/bin:{PATHS[1]}/bin".encode(), "is not a store path"),
        (f'"{PATHS[0]}"\n'.encode(), "is not a store path; give store paths as"),
        (f'["{PATHS[0]}/x","{PATHS[1]}/y"]'.encode(), "is not a store path"),
        (f"# production\n{PATHS[0]}\n".encode(), r"paths:1: '#' is not a store path"),
        (f"{PATHS[0]}\n{PATHS[0]}.drv!out".encode(), r"paths:2: .*--query --outputs"),
        (f"{PATHS[0]}.drv^out".encode(), "--query --outputs"),
        (f"/root/result -> {PATHS[0]}".encode(), "'/root/result' is not a store path; if it is a"),
        (b"/nix/store", "is not a store path"),
        (b"/nix/store/", "is not a store path"),
        (b"/", "is not a store path"),
        (f"{PATHS[0]} 1234".encode(), "'1234' is not a store path"),
        (PATHS[0].encode("utf-16"), "is not text in UTF-8"),
        (PATHS[0].encode("utf-16-le"), "is not a store path"),
        (b"\xff", "is not text in UTF-8"),
        (f"{PATHS[0]}\n\ufeff{PATHS[1]}".encode(), "is not a store path"),
        (f"/nix/store/{'e' * 32}-a".encode(), "is not a store path"),
        (f"/nix/store/{'x' * 5000}".encode(), "is not a store path"),
    ],
)
def test_what_is_not_a_store_path_is_an_error(tmp_path: Path, content: bytes, problem: str) -> None:
    """Fewer paths than meant are worse than none."""
    with pytest.raises(ClientError, match=problem) as raised:
        listed(tmp_path, content)
    assert len(str(raised.value)) < 400


def test_a_byte_order_mark_of_utf_8_is_skipped(tmp_path: Path) -> None:
    """Editors put it."""
    assert listed(tmp_path, f"\ufeff{PATHS[0]}\n".encode()) == (ONE,)


def test_entries_name_their_place(tmp_path: Path) -> None:
    """For messages."""
    file = tmp_path / "paths"
    file.write_text("\n".join(PATHS))
    assert entries_in(file) == [(f"{file}:1", PATHS[0]), (f"{file}:2", PATHS[1])]
    with pytest.raises(ClientError, match="cannot be read"):
        entries_in(tmp_path / "none")


def test_a_command_line_may_name_a_link_to_a_store_path(tmp_path: Path) -> None:
    """Such as `./result`. A store path that is itself a link is meant, not where it leads."""
    (tmp_path / "store").mkdir()
    stored = tmp_path / "store" / f"{ONE}-a"
    stored.symlink_to(f"{TWO}-b")
    (tmp_path / "result").symlink_to(stored)
    (tmp_path / "again").symlink_to("result")

    assert named_hash(str(tmp_path / "again"), "PATH") == ONE
    assert named_hash(f"{tmp_path}/result/bin/x", "PATH") == ONE
    assert named_hash(PATHS[1], "PATH") == TWO


@pytest.mark.parametrize(
    "text", ["loop", "file", "none", "folder/result", f"{PATHS[0]},{PATHS[1]}", f"'{PATHS[0]}'"]
)
def test_a_link_that_leads_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """So is a list of paths with commas, of which the last part looks like a store path."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").symlink_to("/etc/hostname")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=r"PATH: .* is not a store path; give a store path, its"):
        named_hash(text, "PATH")


def test_set_aside_names_what_it_refuses() -> None:
    """The option, not a file."""
    with pytest.raises(UsageError, match="--set-aside: 'x' is not a store path"):
        store_hash("x", "--set-aside")
