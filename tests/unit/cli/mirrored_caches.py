"""Two caches on storages in memory, and `nix-cache mirror` from one to the other."""

import contextlib
import io
import json
import lzma
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import zstandard
from botocore.credentials import Credentials
from urllib3 import BaseHTTPResponse

from nix_cache.cli.caches.record import Record
from nix_cache.cli.caches.source import Origin, Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.limits import LimitKind
from nix_cache.cli.mirror import nars, session
from nix_cache.cli.mirror import origin as mirror_origin
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.upload import objects as upload_objects
from nix_cache.cli.upload import pinning as upload_pinning
from nix_cache.cli.upload import presence as upload_presence
from nix_cache.cli.upload import session as upload_session
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats import signing
from nix_cache.formats.nar_writer import nar_chunks
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.narinfo_writer import NarFile, signed_narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from tests.fakes.plain_store import PlainStore
from tests.unit.cli.client_caches import KEY, WRITER, manifest
from tests.unit.cli.s3_double import DoubleTransport, Held, S3Double
from tests.unit.nix_evaluator import needed_by

OLD_KEY = signing.generate("old.example.org-nixbuilder-1")
STRANGER = signing.generate("stranger-1")
_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}
_DECOMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "xz": lzma.decompress,
    "zstd": lambda stored: zstandard.ZstdDecompressor().decompressobj().decompress(stored),
}
_SUFFIXES = {"none": "", "xz": "xz", "zstd": "zst"}
QUERY = "?hash=x"
"""A query that the old cache ignores."""

IDENTITY = Identity("the test", Credentials("user", "secret"))


class Router(DoubleTransport):
    """Reaches several buckets by their names."""

    def __init__(self, storages: Mapping[str, S3Double], lock: threading.Lock) -> None:
        super().__init__(next(iter(storages.values())))
        self._storages = storages
        self._exclusive = lock

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        with self._exclusive:
            bucket = urlsplit(url).path.split("/")[1]
            one = DoubleTransport(self._storages[bucket])
            return one.exchange(method, url, headers, body, kind)

    @contextmanager
    def opened(self, url: str, headers: Mapping[str, str]) -> Iterator[BaseHTTPResponse]:
        with super().opened(url.removesuffix(QUERY), headers) as response:
            yield response


@dataclass
class Done:
    """What came of a run.

    Attributes:
        well: whether it ended well.
        result: for programs.
        printed: on standard error.
    """

    well: bool
    result: dict[str, Any]
    printed: str


@dataclass
class TwoCaches:
    """A cache that is copied, ``old``, and one that gets the paths, ``new``.

    Attributes:
        folder: of the store.
        trusted: the public keys of the new cache.
        old_changes: settings of the old cache.
        new_changes: settings of the new cache.
    """

    folder: Path
    trusted: Sequence[str] = (KEY.public_text, OLD_KEY.public_text)
    old_changes: dict[str, Any] = field(default_factory=dict)
    new_changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.old, self.new = S3Double("old"), S3Double("new")
        self.store = PlainStore(self.folder)
        self.paths: dict[str, PathInfo] = {}
        for one in (self.old, self.new):
            one.put("nix-cache-info", f"StoreDir: {self.folder}\n".encode())

    def add(
        self,
        name: str,
        references: Sequence[str] = (),
        *,
        keys: Sequence[signing.SecretKey] = (OLD_KEY,),
        compression: str = "zstd",
        content: bytes | None = None,
        nar_key: str | None = None,
        cache: S3Double | None = None,
    ) -> PathInfo:
        """Add a path to the old cache, or to another one."""
        needed = [self.paths[one] for one in references]
        info = self.store.add(name, content or name.encode() * 50, needed)
        self.paths[name] = info
        nar = _COMPRESSORS[compression](b"".join(nar_chunks(Path(info.path))))
        file = NarFile(NixHash.of(nar), len(nar), compression, _SUFFIXES[compression])
        signed = info
        for key in keys:
            both = signed_narinfo(signed, file, key).decode()
            found = [line[5:] for line in both.splitlines() if line.startswith("Sig: ")]
            signed = replace(signed, signatures=tuple(found))
        text = signed_narinfo(signed, file, None)
        if nar_key is not None:
            text = text.replace(file.key.encode(), nar_key.encode())
        storage = cache or self.old
        storage.put((nar_key or file.key).partition("?")[0], nar)
        storage.put(narinfo_key(info.path), text)
        return info

    def key(self, name: str) -> str:
        """Return the key of a path's narinfo."""
        return narinfo_key(self.paths[name].path)

    def fields(self, name: str, cache: S3Double | None = None) -> dict[str, str]:
        """Return what the new cache, or another one, states of a path; signatures by line."""
        content = (cache or self.new).objects[self.key(name)].content.decode()
        return dict(line.split(": ", 1) for line in content.splitlines())

    def change(self, name: str, before: str, after: str) -> None:
        """Change the narinfo of a path in the old cache."""
        content = self.old.objects[self.key(name)].content
        assert before.encode() in content
        self.old.put(self.key(name), content.replace(before.encode(), after.encode()))

    def mirror(self, *names: str, origin: str = "old", **changes: Any) -> Done:
        """Copy some paths, or all of them."""
        request = session.MirrorRequest(
            origin=origin,
            target="new",
            hashes=tuple(self.key(name)[:32] for name in names),
            owner="owner",
            keys=(),
            project=None,
            signs=False,
            dry_run=False,
            options=UploadOptions(jobs=3, leaves_to_upstreams=False),
        )
        out, err = io.StringIO(), io.StringIO()
        with self._patched(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            well = session.run(replace(request, **changes), as_json=True)
        return Done(well, json.loads(out.getvalue()), err.getvalue())

    @contextmanager
    def _patched(self) -> Iterator[None]:
        store = str(self.folder)
        old = manifest(
            bucket="old", storeDir=store, publicKeys=[OLD_KEY.public_text], **self.old_changes
        )
        new = manifest(
            bucket="new", storeDir=store, publicKeys=list(self.trusted), **self.new_changes
        )
        writer = Writer(WRITER, Record(name="new", manifest=new, writer=WRITER), KEY)
        lock = threading.Lock()

        def transport(**_: Any) -> Router:
            return Router({"old": self.old, "new": self.new}, lock)

        impatient = partial(retry, first_wait_seconds=0.001, jitter_seconds=0.001)
        target = Target(Source(old, origin=Origin.STACK), None)
        replacements: list[tuple[Any, str, Any]] = [
            (session, "find_writer", lambda _: writer),
            (session, "find_target", lambda *_: target),
            (session, "owner_identity", lambda _: IDENTITY),
            (session, "Transport", transport),
            (upload_session, "Transport", transport),
            (upload_session, "identify", lambda _: IDENTITY),
            (upload_pinning, "Transport", transport),
            (upload_pinning, "identify", lambda _: IDENTITY),
            (upload_presence, "retry", impatient),
            (upload_objects, "retry", impatient),
            (nars, "retry", impatient),
            (mirror_origin, "retry", impatient),
        ]
        with contextlib.ExitStack() as patches:
            for module, name, replacement in replacements:
                patches.enter_context(mock.patch.object(module, name, replacement))
            yield


def require_whole(objects: Mapping[str, Held]) -> int:
    """Each narinfo's references and NAR are there, and the NAR is what the narinfo states.

    Returns:
        how many narinfos there are.
    """
    count = 0
    for key, held in list(objects.items()):
        if not key.endswith(".narinfo"):
            continue
        count += 1
        lost = {one for one in needed_by(held, objects) if one not in objects}
        assert not lost, (key, lost)
        fields = dict(line.split(": ", 1) for line in held.content.decode().splitlines())
        stored = objects[fields["URL"]].content
        assert NixHash.of(stored).nix32 == fields["FileHash"]
        nar = _DECOMPRESSORS[fields["Compression"]](stored)
        assert NixHash("sha256", sha256(nar).digest()).nix32 == fields["NarHash"]
    return count
