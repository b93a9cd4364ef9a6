"""A store without Nix: file trees with their hashes, and pushes of them by this project's client.

Everything but the local store is real. Run as a program, it pushes once for each line of its input,
in a separate process, so that it can be killed. It prints that process's id, and then its status:
``python -m tests.fakes.plain_store ENDPOINT USER SECRET BUCKET KEY FOLDER``.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest import mock

from botocore.credentials import Credentials

from nix_cache.cli.caches.record import Record
from nix_cache.cli.limits import TimeLimits
from nix_cache.cli.nix import closure, held_closure
from nix_cache.cli.nix.held_closure import HeldClosure
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload import objects, presence, session
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.cli.upload.report import Result
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats import signing
from nix_cache.formats.nar_writer import nar_chunks
from nix_cache.formats.nix_hash import NixHash
from nix_cache.formats.path_info import PathInfo
from nix_cache.iam.lifecycle import NIX32
from tests.unit.cli.client_caches import WRITER, manifest

IMPATIENT = TimeLimits(
    unanswered_seconds=1.5,
    stalled_seconds=1.0,
    first_byte_seconds=0.6,
    backoff_seconds=0.001,
    tries=2,
)
PART_SIZE_MIB = 5


@dataclass
class PlainStore:
    """File trees that are taken for store paths.

    Attributes:
        folder: where they are.
        infos: what a database of Nix would hold of them, each after its references.
    """

    folder: Path
    infos: list[PathInfo] = field(default_factory=list)

    def add(self, name: str, content: bytes, references: Sequence[PathInfo] = ()) -> PathInfo:
        """Add a path that is one file, unless it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:20], "big")
        digits = "".join(NIX32[number >> (5 * place) & 31] for place in range(32))
        path = self.folder / f"{digits}-{name}"
        if not path.exists():
            path.write_bytes(content)
        nar = b"".join(nar_chunks(path))
        info = PathInfo(
            path=str(path),
            nar_hash=NixHash.of(nar),
            nar_size=len(nar),
            references=tuple(sorted(one.path for one in references)),
            deriver=None,
            signatures=(),
            ca=None,
            ultimate=True,
            registration_time=None,
        )
        self.infos.append(info)
        return info


@dataclass(frozen=True)
class Pusher:
    """A writer who pushes from such a store.

    Attributes:
        endpoint: of the storage.
        user: the access key id.
        secret: the secret access key.
        bucket: its name.
        key: the signing key.
        store: what is pushed.
    """

    endpoint: str
    user: str
    secret: str
    bucket: str
    key: signing.SecretKey
    store: PlainStore

    def push(
        self, *, times: TimeLimits | None = None, options: UploadOptions | None = None
    ) -> Result:
        """Push all of it.

        Args:
            times: the limits of requests; those of the client if None.
            options: of the push.
        """
        described = manifest(
            endpoint=self.endpoint,
            bucket=self.bucket,
            storeDir=str(self.store.folder),
            key=self.key,
            partSizeMib=PART_SIZE_MIB,
        )
        writer = Writer(WRITER, Record(name="demo", manifest=described, writer=WRITER), self.key)
        chosen = options or UploadOptions(jobs=4)
        with self._without_nix(times):
            return session.push(writer, [self.store.infos[-1].path], chosen)

    @contextlib.contextmanager
    def store_of(self, infos: Sequence[PathInfo]) -> Iterator[None]:
        """Let the local store have a closure, for every push within this block.

        A push that is a command imports from Nix's modules what `session` imported before.
        """

        def named(given: Sequence[str], _: str) -> list[str]:
            return list(given)

        def held(roots: Sequence[str]) -> contextlib.AbstractContextManager[HeldClosure]:
            return nullcontext(HeldClosure(roots, lambda: [*infos]))

        with contextlib.ExitStack() as patches:
            for module, name, replacement in (
                (session, "roots_of", named),
                (session, "held_closure", held),
                (closure, "roots", named),
                (held_closure, "held_closure", held),
            ):
                patches.enter_context(mock.patch.object(module, name, replacement))
            yield

    @contextlib.contextmanager
    def _without_nix(self, times: TimeLimits | None) -> Iterator[None]:
        identity = Identity("the test", Credentials(self.user, self.secret))
        impatient = partial(retry, first_wait_seconds=0.001, jitter_seconds=0.001)
        with self.store_of(self.store.infos), contextlib.ExitStack() as patches:
            patches.enter_context(mock.patch.object(session, "identify", return_value=identity))
            if times is not None:
                transport = partial(Transport, times)
                patches.enter_context(mock.patch.object(session, "Transport", transport))
                for module in (presence, objects):
                    patches.enter_context(mock.patch.object(module, "retry", impatient))
            yield


def small_closure(folder: Path) -> PlainStore:
    """Three paths: one that is put in two parts, and two small ones above it."""
    store = PlainStore(folder)
    noise = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(170_000))
    large = store.add("large", noise)
    middle = store.add("middle", b"middle\n", [large])
    store.add("top", b"top\n", [middle, large])
    return store


def main() -> None:
    """Push as often as there are lines to read."""
    endpoint, user, secret, bucket, key, folder = sys.argv[1:]
    store = small_closure(Path(folder))
    pusher = Pusher(endpoint, user, secret, bucket, signing.parse_secret_key(key), store)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                pusher.push()
                status = 0
            finally:
                os._exit(status)
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
