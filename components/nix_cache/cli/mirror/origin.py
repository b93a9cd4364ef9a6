"""The cache that is copied: a bucket that its owner lists, or any cache that is read by HTTP."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

import urllib3

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.inventory.listing import Listing
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.limits import TooLargeError, body_limit
from nix_cache.cli.nars.reader import is_redirect
from nix_cache.cli.options import JOBS
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.content_encoding import EncodingError, decoded
from nix_cache.cli.s3.errors import (
    AnsweredError,
    BusyError,
    Meaning,
    StorageError,
    UnansweredError,
)
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.reply import OversizedError
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.cache_info import INFO_KEY, fields
from nix_cache.formats.nar_url import ElsewhereError, InvalidUrlError, NarUrl

MISSING = frozenset({403, 404, 410})
"""What Nix takes for the absence of an object. A storage answers 403 to those who may not list."""

_NOT_FOUND = 404
_PART = r"[0-9A-Za-z_-][0-9A-Za-z._-]*"
_WITH_QUERY = re.compile(
    rf"{_PART}(?:/{_PART})*\?(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{{2}})*"
)
"""As harmonia and nix-serve name NARs: ``nar/HASH.nar?hash=HASH``."""

_HOST = re.compile(r"[0-9A-Za-z._:-]+")
_MOST_REDIRECTS = 3
_DEFAULT_STORE = "/nix/store"
_Kept = TypeVar("_Kept")
_AGAIN = "run it again later: what was copied is skipped then"


class UnreadableObjectError(Exception):
    """An object is there and cannot be read. The message is a clause without a subject."""


class UnusableUrlError(Exception):
    """The URL of a NAR cannot be used. The message is a clause without a subject."""


class OriginCache:
    """The cache that is copied.

    Args:
        client: signed or anonymous, of the bucket or of the cache's URL.
        transport: its connections.
        name: of the cache, for messages.
        report: called with a text before something is tried again.
        owner: whose profile signs; None for anonymous requests.
        bucket: the bucket's name; empty if it cannot be listed.
        jobs: how many parts of a list are asked for at a time.
    """

    def __init__(
        self,
        client: S3Client,
        transport: Transport,
        name: str,
        report: Callable[[str], None],
        owner: Requester | None = None,
        bucket: str = "",
        jobs: int = JOBS,
    ) -> None:
        self.name = name
        self._client = client
        self._transport = transport
        self._report = report
        self._owner = owner
        self._bucket = bucket
        self._jobs = jobs
        self._is_listed = False

    def require_store(self, store_dir: str) -> None:
        """Make sure that a Nix cache answers, and that it is for a store.

        Raises:
            ClientError: it is not, or does not answer.
        """
        try:
            content = self.read(INFO_KEY)
        except UnreadableObjectError as mistake:
            raise ClientError(
                f"{INFO_KEY} of {self.name} {mistake}", "check the URL: this is not a Nix cache"
            ) from None
        if content is None:
            raise ClientError(
                f"{self.name} has no {INFO_KEY}, or refuses to show it",
                "check the URL or the name; a private cache needs --from-owner PROFILE",
            )
        found = fields(content.decode(errors="replace")).get("StoreDir") or _DEFAULT_STORE
        if found != store_dir:
            raise UsageError(
                f"{self.name} is for the store {found}, and the target is for {store_dir}",
                "mirror between caches of one store",
            )

    def keys(self, progress: Callable[[int], None], prefix: str = "") -> Iterator[str]:
        """List objects: those that begin with a prefix; without one, those outside of folders.

        Args:
            progress: called with the number of objects so far.
            prefix: what keys begin with.

        Yields:
            their keys.

        Raises:
            ClientError: the list cannot be had as a whole.
        """
        for page in self._listed(prefix, lambda page: [one.key for one in page], progress):
            yield from page

    def stored(self, prefix: str) -> list[Stored]:
        """List the objects that begin with a prefix.

        Raises:
            ClientError: the list cannot be had as a whole.
        """
        pages = self._listed(prefix, lambda page: page, lambda _: None)
        return [one for page in pages for one in page]

    def _listed(
        self, prefix: str, keep: Callable[[list[Stored]], _Kept], progress: Callable[[int], None]
    ) -> list[_Kept]:
        listing = Listing(self._client, self._bucket, self._jobs)
        try:
            found = listing.objects(prefix, keep, progress)
        except StorageError as failure:
            raise self._explained(failure, "list") from None
        self._is_listed = True
        return found

    def read(self, key: str) -> bytes | None:
        """Read a small object; None if it is not there.

        Raises:
            UnreadableObjectError: it is too large, or damaged.
            ClientError: the cache refused or did not answer.
        """
        most_bytes = body_limit(key).most_bytes
        missing = {_NOT_FOUND} if self._is_listed else MISSING

        def get() -> bytes | None:
            try:
                answer = self._client.get(key, may_be_page=True)
                return decoded(answer.body, answer.headers.get("Content-Encoding"), most_bytes)
            except AnsweredError as refusal:
                if refusal.status in missing and refusal.code != "NoSuchBucket":
                    return None
                raise self._explained(refusal, f"read {key}") from None
            except OversizedError:
                raise UnreadableObjectError(str(TooLargeError(most_bytes))) from None
            except (EncodingError, TooLargeError) as mistake:
                raise UnreadableObjectError(str(mistake)) from None
            except StorageError as failure:
                raise self._explained(failure, f"read {key}") from None

        return retry(get, self._report)

    @contextmanager
    def streamed(self, url: str) -> Iterator[urllib3.BaseHTTPResponse]:
        """Open an object to be read in pieces.

        Args:
            url: its key, or the URL of a NAR as a narinfo states it. In a cache that is read by
                HTTP it may have a query, and up to three redirects are followed: what comes is
                compared with the signed narinfo.

        Raises:
            UnusableUrlError: the URL leads elsewhere.
            BusyError: the cache does not answer. Reading raises it, too.
        """
        try:
            with ExitStack() as stack:
                if self._owner is not None:
                    yield stack.enter_context(self._client.streamed(self._key(url)))
                    return
                address = self._address(url)
                for _ in range(_MOST_REDIRECTS):
                    response = stack.enter_context(self._transport.opened(address, {}))
                    if not is_redirect(response.status, response.headers):
                        break
                    stack.close()
                    address = _redirected(address, response.headers["Location"])
                else:
                    raise UnusableUrlError(f"is redirected more than {_MOST_REDIRECTS} times")
                yield response
        except StorageError as failure:
            raise self._explained(failure, f"read {url}") from None

    def _key(self, url: str) -> str:
        try:
            return NarUrl.parse(url).resolved(self._client.url)
        except (InvalidUrlError, ElsewhereError) as mistake:
            raise UnusableUrlError(str(mistake)) from None

    def _address(self, url: str) -> str:
        """Return the whole URL of a NAR in a cache that is read by HTTP."""
        base = self._client.url
        if "?" not in url:
            return f"{base}/{quote(self._key(url))}"
        if not _WITH_QUERY.fullmatch(url):
            raise UnusableUrlError("has a query, and is not a plain relative URL")
        return f"{base}/{url}"

    def _explained(self, failure: StorageError, doing: str) -> ClientError:
        if self._owner is not None:
            return explain(failure, self._owner, doing)
        if isinstance(failure, NoAnswerError):
            is_final = failure.given_up or not failure.cause.may_pass
            kind = UnansweredError if is_final else BusyError
            return kind(failure.problem(self.name), failure.cause.fix or _AGAIN)
        if failure.meaning is Meaning.BUSY:
            return BusyError(f"{self.name} is busy ({failure})", _AGAIN)
        return ClientError(
            f"{self.name} answers {failure}, asked to {doing}",
            "check the URL; for a cache that requires a login, give --from-owner PROFILE",
        )


def _redirected(address: str, location: str) -> str:
    """Return the URL to which an answer leads.

    Raises:
        UnusableUrlError: it is none that can be asked for.
    """
    try:
        target = urljoin(address, location)
        parts = urlsplit(target)
        is_host = _HOST.fullmatch(parts.hostname or "") is not None and parts.port != 0
        is_usable = parts.scheme in {"http", "https"} and is_host
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UnusableUrlError(f"is redirected to {location[:200]}")
    return target
