"""A cache of any size that is not stored anywhere: its listing and its narinfos are computed."""

import bisect
import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import md5, sha256
from typing import Any, overload
from urllib.parse import parse_qs, urlsplit

from urllib3 import HTTPHeaderDict

from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.transport import Transport
from nix_cache.iam.lifecycle import NIX32

MOST_PATHS = 32**4
"""The first four characters of a hash are the path's number."""

_STEPS = (3, 5, 7, 11, 13)
_WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
"""The same in every process, so that narinfos are remembered."""
_INFO = "nix-cache-info"
_KEY = re.compile(rb"<Key>([^<]*)</Key>")
_NO_VERSIONS = b"<VersioningConfiguration/>"


class Paths:
    """Store paths whose hashes are in the order of their numbers.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        if not 0 < count <= MOST_PATHS:
            raise ValueError(f"{count} paths are not between 1 and {MOST_PATHS}")
        self.count = count
        self._gap = MOST_PATHS // count

    def name(self, number: int) -> str:
        """Return the hash of a path."""
        place, head = number * self._gap, ""
        for _ in range(4):
            place, digit = divmod(place, 32)
            head = NIX32[digit] + head
        return head + _text(number, 28)

    def number(self, name: str) -> int:
        """Return the number of a path."""
        place = 0
        for letter in name[:4]:
            place = 32 * place + NIX32.index(letter)
        return place // self._gap

    def nar_key(self, number: int) -> str:
        """Return the key of a path's NAR."""
        return f"nar/{self.name(number)}{_text(number, 20)}.nar.zst"

    def narinfo(self, number: int) -> bytes:
        """Return the narinfo of a path, which refers to five others."""
        others = {number * step % self.count for step in _STEPS}
        references = " ".join(f"{self.name(other)}-path-{other}" for other in sorted(others))
        file_hash, nar_hash = self.nar_key(number)[4:56], "0" + _text(number, 51)
        return (
            f"StorePath: /nix/store/{self.name(number)}-path-{number}\n"
            f"URL: {self.nar_key(number)}\nCompression: zstd\n"
            f"FileHash: sha256:{'0' + file_hash[1:]}\nFileSize: 100\n"
            f"NarHash: sha256:{nar_hash}\nNarSize: 120\nReferences: {references}\n"
            f"Sig: cache.example.org-ci-1:{'A' * 86}==\n"
        ).encode()


class SimulatedTransport(Transport):
    """A transport that computes what a storage would answer.

    It holds what is put, and which narinfos and NARs were deleted.

    Args:
        paths: what is in the cache.
    """

    def __init__(self, paths: Paths) -> None:
        super().__init__()
        self._paths = paths
        self._put: dict[str, bytes] = {}
        self._deleted = {is_nar: bytearray(paths.count) for is_nar in (False, True)}

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        """Answer the requests of `nix-cache gc`, `remove` and `stats`."""
        parts = urlsplit(url)
        key = parts.path.removeprefix("/").partition("/")[2]
        query = {name: values[0] for name, values in parse_qs(parts.query, True).items()}
        content = self._content(method, key, query, body)
        now = format_datetime(datetime.now(UTC), usegmt=True)
        received = HTTPHeaderDict({"Date": now, "Last-Modified": now})
        if content is None:
            error = b"<Error><Code>NoSuchKey</Code></Error>"
            return Reply(url, 404, received, b"" if method == "HEAD" else error)
        received["ETag"] = _etag(content)
        received["Content-Length"] = str(len(content))
        return Reply(url, 200, received, b"" if method == "HEAD" else content)

    def _content(self, method: str, key: str, query: Mapping[str, str], body: Any) -> bytes | None:
        match method:
            case "PUT":
                self._put[key] = body
                return b""
            case "POST":
                for found in _KEY.finditer(body):
                    self._delete(found[1].decode())
                return b"<DeleteResult></DeleteResult>"
        if key:
            return self._object(key)
        return _NO_VERSIONS if "versioning" in query else self._page(query)

    def _delete(self, key: str) -> None:
        is_nar = key.startswith("nar/")
        self._deleted[is_nar][self._paths.number(key.removeprefix("nar/"))] = 1

    def _object(self, key: str) -> bytes | None:
        if key == _INFO:
            return b"StoreDir: /nix/store\n"
        name, _, ending = key.rpartition(".")
        if ending != "narinfo":
            return self._put.get(key)
        number = self._paths.number(name)
        return None if self._deleted[False][number] else self._paths.narinfo(number)

    def _page(self, query: Mapping[str, str]) -> bytes:
        prefix, most = query.get("prefix", ""), int(query.get("max-keys", "1000"))
        keys = _Keys(self._paths, is_nars=prefix.startswith("nar/"))
        after = query.get("continuation-token") or query.get("start-after", "")
        start = max(bisect.bisect_right(keys, after), bisect.bisect_left(keys, prefix))
        end = max(start, bisect.bisect_left(keys, f"{prefix}\U0010ffff"))
        gone = self._deleted[prefix.startswith("nar/")]
        there = (
            keys[place]
            for place in range(start, end)
            if (number := keys.number(place)) is None or not gone[number]
        )
        names = list(itertools.islice(there, most + 1))
        listed = "".join(map(self._listed, names[:most]))
        more = ""
        if len(names) > most:
            token = f"<NextContinuationToken>{names[most - 1]}</NextContinuationToken>"
            more = f"<IsTruncated>true</IsTruncated>{token}"
        return f"<ListBucketResult>{more}{listed}</ListBucketResult>".encode()

    def _listed(self, key: str) -> str:
        content = b"nar" if key.startswith("nar/") else self._object(key)
        assert content is not None
        return (
            f"<Contents><Key>{key}</Key><Size>{len(content)}</Size><ETag>{_etag(content)}</ETag>"
            f"<LastModified>{_WRITTEN:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
        )


class _Keys(Sequence[str]):
    """The keys below ``nar/``, or those outside of folders, in their order."""

    def __init__(self, paths: Paths, *, is_nars: bool) -> None:
        self._paths = paths
        self._is_nars = is_nars
        names = _Names(paths)
        self._info = -1 if is_nars else bisect.bisect_left(names, _INFO)

    def __len__(self) -> int:
        return self._paths.count + (not self._is_nars)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if self._is_nars:
            return self._paths.nar_key(place)
        number = self.number(place)
        return _INFO if number is None else f"{self._paths.name(number)}.narinfo"

    def number(self, place: int) -> int | None:
        """Return the number of a path by the place of its key; None for nix-cache-info."""
        if self._is_nars:
            return place
        return None if place == self._info else place - (place > self._info)


class _Names(Sequence[str]):
    """The hashes of store paths."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return self._paths.count

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return self._paths.name(place)


def _text(number: int, length: int) -> str:
    """Return characters that look drawn at random."""
    digest = sha256(b"%d" % number).digest() * 2
    return "".join(NIX32[byte % 32] for byte in digest[:length])


def _etag(content: bytes) -> str:
    return f'"{md5(content, usedforsecurity=False).hexdigest()}"'
