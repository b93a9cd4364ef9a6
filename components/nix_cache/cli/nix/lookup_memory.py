"""What Nix remembers of binary caches: which paths they have, and which they lack. Only read.

Nix keeps the answer of a cache for each path that it asked for, a found one for 30 days and a
missing one for an hour by default, and does not ask again before. The settings are
``narinfo-cache-positive-ttl`` and ``narinfo-cache-negative-ttl``, in seconds.
"""

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.machine.places import Place, system_place, user_place
from nix_cache.cli.nix.daemon import DAEMON_SOCKET

POSITIVE_TTL = ("narinfo-cache-positive-ttl", 30 * 24 * 3600)
NEGATIVE_TTL = ("narinfo-cache-negative-ttl", 3600)
"""The settings, with their defaults in seconds."""

_DATABASE = re.compile(r"binary-cache-v[0-9]+\.sqlite")
_LOG = "-wal"
_TRIES = 3
"""How often a database is copied, if Nix changes it meanwhile."""

_LIX_DAEMON = Path("/var/cache/nix")
"""Where the daemon of Lix keeps its memory: systemd's cache directory of the service."""


@dataclass(frozen=True)
class RememberedAnswer:
    """What Nix remembers that a cache answered for one path.

    Attributes:
        store_hash: the path's.
        name: the rest of its name; empty if it was missing.
        is_present: whether the cache had it.
        nar_url: that of its NAR, relative to the cache; empty if it was missing.
        asked_at: when Nix asked, in seconds since 1970.
    """

    store_hash: str
    name: str
    is_present: bool
    nar_url: str
    asked_at: int


@dataclass(frozen=True)
class Memory:
    """A database of one user's Nix.

    Attributes:
        file: the database.
        is_daemons: whether the daemon, which runs as root, remembers by it.
    """

    file: Path
    is_daemons: bool

    def answers(self, cache_url: str) -> list[RememberedAnswer]:
        """Return what is remembered of one cache, the latest first.

        Args:
            cache_url: the substituter's URL. Of an S3 URL Nix keeps the bucket alone.

        Raises:
            OSError: the database cannot be read.
        """
        try:
            with _opened(self.file) as database:
                rows = database.execute(_QUERY, {"url": _kept_url(cache_url)}).fetchall()
        except sqlite3.Error as failure:
            raise OSError(f"{self.file}: {failure}") from None
        return [
            RememberedAnswer(str(part), str(name or ""), bool(there), str(url or ""), int(at))
            for part, name, there, url, at in rows
        ]


_QUERY = """
select hashPart, namePart, present, NARs.url, NARs.timestamp
from NARs join BinaryCaches on NARs.cache = BinaryCaches.id
where rtrim(BinaryCaches.url, '/') = :url or BinaryCaches.url glob :url || '[?]*'
order by NARs.timestamp desc
"""
"""The tables are those of every version of Nix since 2.3, and of Lix."""


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a database without a trace beside it.

    SQLite would create a log and an index beside it, which then belong to this user, and the Nix of
    another user could write no more. So it is opened as one that never changes; and where Nix has a
    log with changes just now, a copy of both is opened.
    """
    with tempfile.TemporaryDirectory(prefix="nix-cache-") as folder:
        copy = Path(folder) / file.name
        for _ in range(_TRIES):
            before = _versions(file)
            if not before[1]:
                break
            for suffix in ("", _LOG):
                shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
            if _versions(file) == before:
                break
        options = "mode=rw" if copy.exists() else "mode=ro&immutable=1"
        uri = f"{(copy if copy.exists() else file).as_uri()}?{options}"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            yield database


def _versions(file: Path) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return size and time of a database and of its log; nothing of a log that has no changes."""
    found = [file.stat()]
    with contextlib.suppress(FileNotFoundError):
        found.append(Path(f"{file}{_LOG}").stat())
    main, *log = ((one.st_size, one.st_mtime_ns) for one in found)
    return (main, log[0] if log and log[0][0] else ())


def memories(environment: Mapping[str, str] = os.environ) -> Iterator[Memory]:
    """Yield the databases on this machine by which Nix remembers what a user asks for.

    Args:
        environment: the user's.

    Raises:
        PermissionError: the daemon's folder cannot be read. All others were yielded before.
    """
    seen: set[str] = set()
    folders = [(folder, os.geteuid() == 0) for folder in _own_folders(environment)]
    if os.geteuid() == 0 or DAEMON_SOCKET.exists():
        folders += [
            (_home(system_place(environment)) / ".cache" / "nix", True),
            (_LIX_DAEMON, True),
        ]
    for folder, is_daemons in folders:
        file = _latest(folder)
        if file is not None and (identity := os.path.realpath(file)) not in seen:
            seen.add(identity)
            yield Memory(file, is_daemons)


def _own_folders(environment: Mapping[str, str]) -> Sequence[Path]:
    cache = Path(environment.get("XDG_CACHE_HOME") or _home(user_place(environment)) / ".cache")
    own = environment.get("NIX_CACHE_HOME") or cache / "nix"
    lix = environment.get("CACHE_DIRECTORY")
    return [Path(own), *([Path(lix)] if lix else [])]


def _home(place: Place) -> Path:
    return place.credentials.parent.parent


def _latest(folder: Path) -> Path | None:
    """Return the database that is in use: an update of Nix leaves that of another format behind."""
    try:
        files = [file for file in folder.iterdir() if _DATABASE.fullmatch(file.name)]
        return max(files, key=lambda file: file.stat().st_mtime, default=None)
    except PermissionError:
        raise
    except OSError:
        return None


def _kept_url(url: str) -> str:
    """Return a substituter's URL as Nix keeps it."""
    return (url.partition("?")[0] if url.startswith("s3://") else url).rstrip("/")
