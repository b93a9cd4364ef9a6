"""The bucket as a writer reads it: which narinfos and NARs are there, and collections."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeVar

from nix_cache.cli.errors import ClientError
from nix_cache.cli.limits import TooLargeError, body_limit
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import AnsweredError, Meaning, StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.outcome import Answer
from nix_cache.cli.s3.reply import OversizedError
from nix_cache.cli.upload.collections import Seen
from nix_cache.cli.upload.held import Held, judge
from nix_cache.cli.upload.narinfos import unreadable_error
from nix_cache.formats.cache_info import INFO_KEY, fields
from nix_cache.formats.collection_run import RUN_KEY
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nar_url import ElsewhereError, InvalidUrlError, NarUrl
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.root_record import RootRecord, new_key
from nix_cache.formats.signing import SecretKey
from nix_cache.rights.client import is_page_content

_ABSENT = frozenset({"NoSuchKey", "AccessDenied", "404", "403"})
"""A storage answers a user who may not list that a missing object is forbidden."""

_Found = TypeVar("_Found")


class Bucket:
    """A cache's bucket.

    Args:
        manifest: the cache.
        client: of the bucket, as the writer.
        who: the writer, for messages.
        jobs: how many requests there are at a time.
        current: the names of the keys with which writers sign now.
        key: the one of them that is here.
    """

    def __init__(
        self,
        manifest: Manifest,
        client: S3Client,
        who: Requester,
        jobs: int,
        current: frozenset[str] = frozenset(),
        key: SecretKey | None = None,
    ) -> None:
        self._manifest = manifest
        self._key = key
        self._current = current
        self._client = client
        self._reader = client
        self._who = who
        self._jobs = jobs
        self._has_read = False

    def require_access(self) -> None:
        """Make sure that the writer may read what is always there, and how narinfos are read.

        Where anonymous requests may read the bucket itself, narinfos are read without a signature:
        to check one takes a storage as long as all the rest of a small request. Requests go to the
        storage either way, never to a CDN.

        Raises:
            ClientError: the storage refused, and this says why.
            BusyError: it did not answer, or not now.
        """
        with self._explained():
            try:
                info = self._get(INFO_KEY, self._client)
            except (EncodingError, TooLargeError) as mistake:
                raise ClientError(
                    f"{INFO_KEY} at {self._manifest.endpoint} {mistake}",
                    "see what answers there: it is not the cache's storage",
                ) from None
        self._require_store(fields(info.decode(errors="replace")).get("StoreDir", ""))
        if self._manifest.public:
            anonymous = self._client.anonymous_at(self._client.url)
            with suppress(StorageError, ClientError, EncodingError, TooLargeError):
                self._get(INFO_KEY, anonymous)
                self._reader = anonymous

    def _require_store(self, store_dir: str) -> None:
        """Make sure that the bucket is for the manifest's store: readers of it pass others over.

        Raises:
            ClientError: it is for another store.
        """
        if store_dir not in ("", self._manifest.store_dir):
            raise ClientError(
                f"{INFO_KEY} in the bucket {self._manifest.bucket} is for the store {store_dir}, "
                f"and the cache is for {self._manifest.store_dir}",
                "run `nix-cache stack repair` in the folder of the stack's program",
            )

    def require_readable(self, path: str) -> None:
        """Make sure that the writer may read a narinfo that is there, unless one was read before.

        A storage that refuses it answers as for a missing one, so every push would upload
        everything again.

        Raises:
            ClientError: the storage refuses it.
            BusyError: it did not answer, or not now.
        """
        if self._has_read:
            return
        with self._explained():
            try:
                self._get(narinfo_key(path), self._reader)
            except (EncodingError, TooLargeError):
                pass
            except AnsweredError as refusal:
                if refusal.meaning is not Meaning.DENIED:
                    raise
                which = "the narinfo that it just put"
                raise unreadable_error(self._who, which, refusal) from None
        self._has_read = True

    def protect(self, record: RootRecord) -> bool:
        """Write a root record, so that a collection keeps what the push relies on.

        Returns:
            whether the writer may do so.

        Raises:
            ClientError: the storage did not take it for another reason.
            BusyError: it did not answer, or not now.
        """
        with self._explained():
            try:
                self._client.put(new_key(), record.content, "application/json")
            except AnsweredError as refusal:
                if refusal.meaning is Meaning.DENIED:
                    return False
                raise
        return True

    def collections(self) -> Seen:
        """Look whether a collection goes on.

        Raises:
            ClientError: the storage refused.
            BusyError: it did not answer, or not now.
        """
        with self._explained():
            return Seen.of(_if_there(lambda: self._client.get(RUN_KEY)))

    def held(
        self, infos: Sequence[PathInfo], progress: Callable[[int], None] = lambda _: None
    ) -> dict[str, Held]:
        """Those of some paths that the cache has.

        Args:
            infos: what the local store holds of the paths.
            progress: called with the number of paths that were asked for so far.

        Raises:
            ClientError: the storage refused.
            BusyError: it did not answer, or not now.
        """
        found: dict[str, Held] = {}
        by_key = {narinfo_key(info.path): info for info in infos}
        answers = self._reader.get_all(by_key, self._jobs, may_be_page=True)
        with self._explained():
            for count, (key, answer) in enumerate(answers, start=1):
                info = by_key[key]
                if held := self._held(info, answer):
                    found[info.path] = held
                progress(count)
        return found

    def without_nar(
        self, held: Sequence[Held], progress: Callable[[int], None] = lambda _: None
    ) -> set[str]:
        """Return those of some paths whose NAR is missing, or has another size than is stated.

        That takes one request for each. A NAR that is not in the bucket is not looked for.

        Args:
            held: the paths.
            progress: called with the number of paths that were asked for so far.

        Raises:
            ClientError: the storage refused.
            BusyError: it did not answer, or not now.
        """
        asked = in_parallel(self._has_nar, held, self._jobs)
        found = set()
        for count, (one, has_nar) in enumerate(asked, start=1):
            if not has_nar:
                found.add(one.path)
            progress(count)
        return found

    def _has_nar(self, held: Held) -> bool:
        if held.url is None:
            return True
        try:
            key = NarUrl.parse(held.url).resolved(self._client.url)
        except InvalidUrlError:
            return False
        except ElsewhereError:
            return True
        with self._explained():
            answer = _if_there(lambda: self._client.head(key))
        if answer is None:
            return False
        length = answer.headers.get("Content-Length", "")
        if answer.headers.get("Content-Encoding") or not length.isdecimal():
            return True
        return held.stored_bytes in {None, int(length)}

    def absent(self, keys: Sequence[str]) -> set[str]:
        """Return those of some objects that are not there.

        Raises:
            ClientError: the storage refused.
            BusyError: it did not answer, or not now.
        """
        asked = in_parallel(self._is_there, keys, self._jobs)
        return {key for key, is_there in asked if not is_there}

    def _is_there(self, key: str) -> bool:
        with self._explained():
            return _if_there(lambda: self._client.head(key)) is not None

    def _held(self, info: PathInfo, answer: Callable[[], Answer]) -> Held | None:
        path = info.path
        try:
            content = _if_there(lambda: self._content(narinfo_key(path), answer))
            if content is not None and is_page_content(content):
                # A web page, but not for all objects: else a portal answers for the storage.
                self._get(INFO_KEY, self._reader)
        except (EncodingError, TooLargeError) as mistake:
            return Held(path, None, f"its narinfo {mistake}")
        if content is None:
            return None
        self._has_read = True
        return judge(path, content, self._manifest.public_keys, info, self._current, self._key)

    def _get(self, key: str, client: S3Client) -> bytes:
        """Return an object's content.

        Raises:
            TooLargeError: it is larger than such an object may be.
            EncodingError: its Content-Encoding cannot be undone.
        """
        return self._content(key, lambda: client.get(key))

    @staticmethod
    def _content(key: str, read: Callable[[], Answer]) -> bytes:
        """Return an object's content.

        Args:
            key: the object.
            read: returns the answer to reading it.

        Raises:
            TooLargeError: it is larger than such an object may be.
            EncodingError: its Content-Encoding cannot be undone.
        """
        most_bytes = body_limit(key).most_bytes
        try:
            answer = read()
        except OversizedError:
            raise TooLargeError(most_bytes) from None
        return decoded(answer.body, answer.headers.get("Content-Encoding"), most_bytes)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except StorageError as failure:
            raise explain(failure, self._who) from None


def _if_there(read: Callable[[], _Found]) -> _Found | None:
    """Read an object; None if it is not there, or its absence is answered as a denial."""
    try:
        return read()
    except AnsweredError as refusal:
        if refusal.code in _ABSENT:
            return None
        raise
