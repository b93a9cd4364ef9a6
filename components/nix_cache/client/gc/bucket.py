"""The bucket as its owner sees it: everything that is in it, and the way to remove some of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as StorageError

from nix_cache.client.errors import ClientError
from nix_cache.client.gc.contents import (
    Contents,
    Entry,
    Stored,
    listings_among,
    narinfos_among,
    nars_among,
)
from nix_cache.client.gc.ledger import LEDGER_KEY, Ledger
from nix_cache.client.gc.refusals import explain
from nix_cache.client.owner import owner_client
from nix_cache.client.source import Credential
from nix_cache.description import Description
from nix_cache.lifecycle import INFO_KEY, NAR_PREFIX

_BATCH = 1000
"""The most keys that S3's DeleteObjects takes."""


class Bucket:
    """A cache's bucket.

    Args:
        description: the cache.
        credential: of one who may list, read and delete.
        profile: where that is from, for messages.
        jobs: how many narinfos are read at a time.
    """

    def __init__(
        self, description: Description, credential: Credential, profile: str, jobs: int
    ) -> None:
        self.tell: Callable[[str], None] = lambda _: None
        """Is told what is being done."""
        self._description = description
        self._profile = profile
        self._jobs = jobs
        self._s3 = owner_client(description, credential, jobs)

    def contents(self, known: Contents | None = None) -> Contents:
        """What is in the bucket now. Narinfos that are known already are not read again.

        Raises:
            ClientError: it cannot be told wholly.
        """
        # NARs first: a push puts them before narinfos, so that what is named here was seen.
        nars = list(self._listed(Prefix=NAR_PREFIX))
        others = list(self._listed(Delimiter="/"))
        if all(stored.key != INFO_KEY for stored in others):
            raise ClientError(
                f"the list of the bucket {self._description.bucket} has no {INFO_KEY}: it is not "
                "whole, or this is no cache; nothing was removed",
                "run `pulumi up --refresh` on the stack, or name the right cache",
            )
        return Contents(
            narinfos=self._read(narinfos_among(others), known.narinfos if known else {}),
            listings=listings_among(others),
            nars=nars_among(nars),
        )

    def ledger(self) -> Ledger | None:
        """What earlier runs noted; None if that cannot be read.

        Raises:
            ClientError: the storage refused, or a newer version wrote it.
        """
        content = self._content(LEDGER_KEY)
        if content is None:
            return Ledger()
        try:
            return Ledger.parse(content)
        except ValueError:
            return None

    def note(self, ledger: Ledger) -> None:
        """Keep what later runs need to know.

        Raises:
            ClientError: the storage refused.
        """
        with self._explained(f"write {LEDGER_KEY}"):
            self._s3.put_object(
                Bucket=self._description.bucket,
                Key=LEDGER_KEY,
                Body=ledger.content,
                ContentType="application/json",
            )

    def remove(self, keys: Sequence[str]) -> int:
        """Remove objects, in this order.

        Returns:
            how many of them the storage only hides, as it keeps old versions.

        Raises:
            ClientError: the storage refused some.
        """
        hidden = 0
        for start in range(0, len(keys), _BATCH):
            self.tell(f"removed {start} of {len(keys)} objects")
            batch = [{"Key": key} for key in keys[start : start + _BATCH]]
            with self._explained("delete"):
                answer = self._s3.delete_objects(
                    Bucket=self._description.bucket, Delete={"Objects": batch}
                )
            if refused := answer.get("Errors"):
                raise self._refusal(refused)
            hidden += sum(bool(one.get("DeleteMarker")) for one in answer.get("Deleted", []))
        return hidden

    def _listed(self, **which: str) -> Iterator[Stored]:
        count = 0
        pages = self._s3.get_paginator("list_objects_v2")
        with self._explained("list"):
            page: dict[str, Any] = {}
            for page in pages.paginate(Bucket=self._description.bucket, **which):
                for entry in page.get("Contents", []):
                    count += 1
                    yield Stored(
                        entry["Key"], entry["Size"], entry["LastModified"], entry.get("ETag", "")
                    )
                self.tell(f"listed {count} objects")
        if page.get("IsTruncated"):
            raise ClientError(
                f"the storage broke off its list of the bucket {self._description.bucket} after "
                f"{count} objects",
                "run it again",
            )

    def _read(self, narinfos: dict[str, Stored], known: Mapping[str, Entry]) -> dict[str, Entry]:
        found = {
            name: known[name]
            for name, stored in narinfos.items()
            if name in known and known[name].stored == stored
        }
        unread = [name for name in narinfos if name not in found]
        workers = ThreadPoolExecutor(self._jobs)
        try:
            asked = {workers.submit(self._content, narinfos[name].key): name for name in unread}
            for count, answered in enumerate(as_completed(asked), start=1):
                content, name = answered.result(), asked[answered]
                if content is not None:
                    found[name] = Entry.read(narinfos[name], content)
                self.tell(f"read {count} of {len(unread)} narinfos")
        finally:
            workers.shutdown(cancel_futures=True)
        return found

    def _content(self, key: str) -> bytes | None:
        """What is in an object; None if it is gone."""
        with self._explained(f"read {key}"):
            try:
                answer = self._s3.get_object(Bucket=self._description.bucket, Key=key)
            except self._s3.exceptions.NoSuchKey:
                return None
            content: bytes = answer["Body"].read()
            return content

    def _refusal(self, errors: Sequence[Any]) -> ClientError:
        first = errors[0]
        return ClientError(
            f"the storage did not delete {len(errors)} objects, such as {first.get('Key')}: "
            f"{first.get('Code')} {first.get('Message', '')}".rstrip(),
            f"see that the profile {self._profile} may delete in the bucket "
            f"{self._description.bucket}, and run it again: what is left stays usable",
        )

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except (StorageError, BotoCoreError) as failure:
            raise explain(failure, what, self._profile, self._description) from None
