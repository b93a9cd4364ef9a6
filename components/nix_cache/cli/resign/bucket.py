"""The bucket as `nix-cache resign` sees it: its narinfos, and what they state."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.nars import decompression
from nix_cache.cli.nars.reader import NarReader, NarStatusError
from nix_cache.cli.resign.verdict import (
    Ground,
    TrustTerms,
    Untrusted,
    Verdict,
    judge,
    judge_realisation,
)
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.clock import Clocks, http_date
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.s3.errors import AnsweredError, StorageError
from nix_cache.cli.s3.listing import checked_pages
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.retry import retry
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload.collections import Seen
from nix_cache.cli.upload.narinfos import Narinfos, UnreadableNarinfoError, Version
from nix_cache.formats.collection_run import RUN_KEY
from nix_cache.formats.manifest import Manifest
from nix_cache.formats.nar_url import ElsewhereError, InvalidUrlError, NarUrl
from nix_cache.formats.narinfo import Narinfo, NarinfoError
from nix_cache.formats.narinfo_writer import NAR_CONTENT_TYPE, signed_again
from nix_cache.formats.realisation import PREFIXES, SUFFIX, Realisation, RealisationError
from nix_cache.iam.lifecycle import NIX32

_NARINFO_KEY = re.compile(rf"[{NIX32}]{{32}}\.narinfo")
_MISSING = 404


@dataclass(frozen=True)
class Judged:
    """A narinfo that was read.

    Attributes:
        key: the object.
        verdict: what is to be done; None if it is gone.
        path: the store path; None if the narinfo cannot be read.
        contents: a hash of what signatures are made over.
        narinfo: what it states, of a path that may be signed because of the local store.
    """

    key: str
    verdict: Verdict | None
    path: str | None = None
    contents: bytes = b""
    narinfo: Narinfo | None = None

    @property
    def is_realisation(self) -> bool:
        """Whether it is the realisation of an output, and no narinfo."""
        return self.key.startswith(PREFIXES)


class Bucket:
    """A cache's bucket, as its owner sees it.

    Args:
        manifest: the cache.
        identity: of one who may list, read and write.
        profile: its profile, for messages.
        jobs: how many requests there are at a time.
        report: called with a text before something is tried again.
    """

    def __init__(
        self,
        manifest: Manifest,
        identity: Identity,
        profile: str,
        jobs: int,
        report: Callable[[str], None],
    ) -> None:
        self._manifest = manifest
        self._jobs = jobs
        self._owner = Requester(profile, manifest.endpoint, manifest.bucket)
        self._client = S3Client.of(manifest, identity.credentials, Transport(jobs=jobs))
        self._nars = NarReader(self._client)
        self._report = report
        self.narinfos = Narinfos(self._client, self._owner, report)

    def clocks(self) -> Clocks | None:
        """Compare the storage's clock with this machine's; None if its answers have no date.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained("list"):
            _, answer = self._client.page(most=1)
        there = http_date(answer.headers.get("Date"))
        return None if there is None else Clocks(datetime.now(UTC), there)

    def collections(self) -> Seen:
        """Look whether a collection goes on.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        with self._explained(f"read {RUN_KEY}"):
            try:
                return Seen.of(self._client.get(RUN_KEY))
            except AnsweredError as refusal:
                if refusal.status == _MISSING:
                    return Seen()
                raise

    def keys(self, progress: Callable[[str], None]) -> list[str]:
        """List the narinfos, and the realisations of content-addressed outputs.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        found: list[str] = []
        with self._explained("list"):
            for page in checked_pages(self._client.pages(delimiter="/"), self._manifest.bucket):
                found += [one.key for one in page.objects if _NARINFO_KEY.fullmatch(one.key)]
                progress(f"listed {len(found)} narinfos")
            for prefix in PREFIXES:
                pages = self._client.pages(prefix=prefix)
                for page in checked_pages(pages, self._manifest.bucket):
                    found += [one.key for one in page.objects if one.key.endswith(SUFFIX)]
        return found

    def judged(
        self, keys: Sequence[str], terms: TrustTerms, local: frozenset[str]
    ) -> Iterator[Judged]:
        """Read narinfos, several at a time, and judge them.

        Args:
            keys: of the narinfos.
            terms: what is trusted.
            local: the paths in the local store.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        for _, one in in_parallel(lambda key: self._judged(key, terms, local), keys, self._jobs):
            yield one

    def sign(self, planned: Judged, terms: TrustTerms) -> Verdict | None:
        """Sign a path, if its narinfo still states what it stated.

        Returns:
            the ground on which it was signed; why it was not; None if it is not there any more.

        Raises:
            ClientError: the storage refused or did not answer.
        """
        verdict = planned.verdict
        assert isinstance(verdict, Ground)  # for the type checker
        changed: list[Untrusted] = []

        def make(there: bytes | None) -> bytes | None:
            changed.clear()
            if there is None:
                return None
            try:
                if (signed := _signed(there, planned, terms)) is not None:
                    return signed
            except (NarinfoError, RealisationError):
                pass
            changed.append(Untrusted("its narinfo was changed meanwhile"))
            return None

        has_nar = not planned.is_realisation
        if has_nar and (verdict is Ground.BEFORE_LEAK or self._manifest.expire_after_days):
            fault = self._nar_fault(planned, is_read=verdict is Ground.BEFORE_LEAK)
            if fault is not None:
                return Untrusted(fault)
        if self.narinfos.change(planned.key, make) is None:
            return None
        return changed[0] if changed else verdict

    def _judged(self, key: str, terms: TrustTerms, local: frozenset[str]) -> Judged:
        if key.startswith(PREFIXES):
            return self._judged_realisation(key, terms)
        try:
            version = self.narinfos.read(key)
            narinfo = None if version is None else Narinfo.parse(version.content)
        except (UnreadableNarinfoError, NarinfoError) as mistake:
            return Judged(key, Untrusted(f"its narinfo cannot be read: {mistake}", False))
        if version is None or narinfo is None:
            return Judged(key, None)
        verdict = judge(key, narinfo, version.written, terms)
        is_local = narinfo.store_path in local
        kept = (
            narinfo if isinstance(verdict, Untrusted) and verdict.is_curable and is_local else None
        )
        return Judged(key, verdict, narinfo.store_path, contents_hash(narinfo), kept)

    def _judged_realisation(self, key: str, terms: TrustTerms) -> Judged:
        try:
            version = self.narinfos.read(key)
            if version is None:
                return Judged(key, None)
            realisation = Realisation.parse_stored(key, version.content)
        except (UnreadableNarinfoError, RealisationError) as mistake:
            return Judged(key, Untrusted(f"it cannot be read: {mistake}", is_curable=False))
        verdict = judge_realisation(realisation, version.written, terms)
        return Judged(key, verdict, contents=_hash(realisation.fingerprint))

    def _nar_fault(self, planned: Judged, *, is_read: bool) -> str | None:
        """Return why a path is not signed because of its NAR; None if it can be signed."""
        try:
            version = self.narinfos.read(planned.key)
        except UnreadableNarinfoError as mistake:
            return f"its narinfo {mistake}"
        if version is None:
            return None
        narinfo = _same(version, planned)
        if narinfo is None:
            return "its narinfo was changed meanwhile"
        try:
            key = NarUrl.parse(narinfo.url).resolved(self._client.url)
        except (InvalidUrlError, ElsewhereError) as reason:
            return f"the URL of its NAR {reason}"
        if is_read and (fault := self._read_fault(narinfo, key)):
            return fault
        return self._renewed(key) if self._manifest.expire_after_days else None

    def _read_fault(self, narinfo: Narinfo, key: str) -> str | None:
        def read() -> str | None:
            with self._explained(f"read {key}"):
                return self._nars.compared(narinfo, key).refusal

        try:
            refusal = retry(read, self._report)
        except NarStatusError as answer:
            return f"its NAR is answered {answer.status}"
        except (
            decompression.UnknownCompressionError,
            decompression.NotDecompressedError,
        ) as reason:
            return f"its NAR was not compared: {reason}"
        return None if refusal is None else f"its NAR is not as stated: {refusal}"

    def _renewed(self, key: str) -> str | None:
        """Let a NAR expire later, as its narinfo will; returns why it cannot be done.

        It is copied onto itself within the storage.
        """
        headers = {
            "Content-Type": NAR_CONTENT_TYPE,
            "x-amz-copy-source": f"/{self._manifest.bucket}/{quote(key)}",
            "x-amz-metadata-directive": "REPLACE",
        }
        with self._explained(f"copy {key}"):
            answer = self._client.request("PUT", key, headers=headers)
            if answer.status >= 500 or answer.is_refusal:
                raise AnsweredError(answer.status, answer.code)
        if answer.status >= 300 or answer.code:
            return f"its NAR cannot be renewed ({answer}), and would expire before its narinfo"
        return None

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except StorageError as failure:
            raise explain(failure, self._owner, doing) from None


def contents_hash(narinfo: Narinfo) -> bytes:
    """Return a hash of what signatures are made over."""
    return _hash(narinfo.fingerprint)


def _hash(fingerprint: str) -> bytes:
    return hashlib.sha256(fingerprint.encode()).digest()


def _signed(there: bytes, planned: Judged, terms: TrustTerms) -> bytes | None:
    """Return an object with one signature more; None if it states other contents."""
    if not planned.is_realisation:
        is_same = contents_hash(Narinfo.parse(there)) == planned.contents
        return signed_again(there, terms.key, terms.trusted) if is_same else None
    realisation = Realisation.parse_stored(planned.key, there)
    if _hash(realisation.fingerprint) != planned.contents:
        return None
    if realisation.signers([terms.key.public_text]):
        return there
    return realisation.signed(terms.key).cache_object().content


def _same(version: Version, planned: Judged) -> Narinfo | None:
    """Return the narinfo if it states what it stated when it was judged."""
    try:
        narinfo = Narinfo.parse(version.content)
    except NarinfoError:
        return None
    return narinfo if contents_hash(narinfo) == planned.contents else None
