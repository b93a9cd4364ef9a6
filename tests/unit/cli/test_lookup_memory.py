"""What Nix remembers of caches, read from a database of its schema and never written to."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from nix_cache.cli.nix import lookup_memory
from nix_cache.cli.nix.lookup_memory import Memory, RememberedAnswer, memories

HASHES = ("0" * 32, "1" * 32, "2" * 32)
SCHEMA = """
create table BinaryCaches (
    id integer primary key autoincrement not null, url text unique not null,
    timestamp integer not null, storeDir text not null, wantMassQuery integer not null,
    priority integer not null);
create table NARs (
    cache integer not null, hashPart text not null, namePart text, url text, compression text,
    fileHash text, fileSize integer, narHash text, narSize integer, refs text, deriver text,
    sigs text, ca text, timestamp integer not null, present integer not null,
    primary key (cache, hashPart));
"""


def write(file: Path, *urls: str) -> sqlite3.Connection:
    """Make a database as Nix does, in which each cache has one path and lacks another."""
    file.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(file)
    database.execute("pragma journal_mode = wal")
    database.executescript(SCHEMA)
    for number, url in enumerate(urls, start=1):
        database.execute(
            "insert into BinaryCaches values (?, ?, 0, '/nix/store', 1, 40)", (number, url)
        )
        database.execute(
            "insert into NARs (cache, hashPart, namePart, url, timestamp, present) "
            "values (?, ?, 'hello', 'nar/a.nar.xz', 1000, 1)",
            (number, HASHES[0]),
        )
        database.execute(
            "insert into NARs (cache, hashPart, timestamp, present) values (?, ?, 2000, 0)",
            (number, HASHES[number]),
        )
    database.commit()
    return database


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Provide the name of a database."""
    return tmp_path / "home" / ".cache" / "nix" / "binary-cache-v7.sqlite"


@pytest.mark.parametrize(
    ("kept", "asked", "other"),
    [
        ("https://a.example.org", "https://a.example.org", "https://a.example.org.evil.net"),
        ("https://a.example.org/", "https://a.example.org", "https://a.example.org/cache"),
        ("s3://cache", "s3://cache?profile=reader&region=x", "s3://cache-2"),
        ("s3://cache?region=x", "s3://cache?profile=reader", "s3://cache.2?region=x"),
    ],
)
def test_the_answers_of_one_cache_are_read(file: Path, kept: str, asked: str, other: str) -> None:
    """Those of a cache with a similar URL are another's."""
    write(file, kept, other).close()

    assert Memory(file, is_daemons=False).answers(asked) == [
        RememberedAnswer(HASHES[1], "", is_present=False, nar_url="", asked_at=2000),
        RememberedAnswer(
            HASHES[0], "hello", is_present=True, nar_url="nar/a.nar.xz", asked_at=1000
        ),
    ]


def test_what_nix_is_writing_is_read_and_nothing_is_left_beside_it(file: Path) -> None:
    """A daemon keeps its latest answers in a log; a file beside it could stop Nix."""
    with closing(write(file, "https://a.example.org")):
        before = {path.name: path.read_bytes() for path in file.parent.iterdir()}
        assert before["binary-cache-v7.sqlite-wal"]
        assert len(Memory(file, is_daemons=False).answers("https://a.example.org")) == 2
        assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert len(Memory(file, is_daemons=False).answers("https://a.example.org")) == 2
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\0" * 100])
def test_what_is_no_database_is_an_error_and_no_traceback(file: Path, content: bytes) -> None:
    """It may be damaged, of a format to come, or empty."""
    file.parent.mkdir(parents=True)
    file.write_bytes(content)

    with pytest.raises(OSError, match=str(file)):
        Memory(file, is_daemons=False).answers("https://a.example.org")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Provide an environment without any memory, on a machine without the daemon of Lix."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setattr(lookup_memory, "_LIX_DAEMON", tmp_path / "lix")
    return {"HOME": str(home)}


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "home/.cache/nix"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/nix"),
        ({"NIX_CACHE_HOME": "own", "XDG_CACHE_HOME": "xdg"}, "own"),
        ({"CACHE_DIRECTORY": "cache"}, "cache"),
    ],
)
def test_the_memory_is_found_where_nix_keeps_it(
    tmp_path: Path, nowhere: dict[str, str], variables: dict[str, str], folder: str
) -> None:
    """Of several formats, the one that is in use; and what is no database is passed over."""
    there = tmp_path / folder
    for name in ("binary-cache-v6.sqlite", "binary-cache-v7.sqlite"):
        write(there / name, "https://a.example.org").close()
    os.utime(there / "binary-cache-v7.sqlite", (2_000_000_000, 2_000_000_000))
    (there / "binary-cache-v7.sqlite-journal").touch()
    environment = {**nowhere, **{name: str(tmp_path / at) for name, at in variables.items()}}

    found = [memory.file for memory in memories(environment)]

    assert found == [there / "binary-cache-v7.sqlite"]


def test_a_machine_without_a_memory_has_none(nowhere: dict[str, str]) -> None:
    """As after an installation."""
    assert list(memories(nowhere)) == []
