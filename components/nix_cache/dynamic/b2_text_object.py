"""One small text in a bucket of Backblaze B2 as a resource."""

import hashlib
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from nix_cache.dynamic.b2_provider import AccountProvider
from nix_cache.dynamic.difference import difference

_PLACE = ("bucket_id", "key")


class B2TextObjectProvider(AccountProvider):
    """Keeps one text in a bucket."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write the text."""
        return CreateResult(f"{props['bucket_id']}/{props['key']}", self._put(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Compare the text by its checksum."""
        actual = self.account().object(props["bucket_id"], props["key"])
        if actual is None:
            return ReadResult("", {})
        seen = {**props, "content_type": actual.content_type}
        if actual.content_sha1 != _sha1_of(props["text"]):
            seen["text"] = f"(another text, of {actual.size} bytes)"
        return ReadResult(id_, seen)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace an object with its place."""
        return difference(_olds, _news, replaced_by=_PLACE, updated_by=["text", "content_type"])

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write the text again."""
        return UpdateResult(self._put(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the object."""
        self.account().delete_object(_props["bucket_id"], _props["key"])

    def _put(self, props: dict[str, Any]) -> dict[str, Any]:
        self.account().put_text(
            props["bucket_id"], props["key"], props["text"], props["content_type"]
        )
        return dict(props)


def _sha1_of(text: str) -> str:
    """Return the checksum by which B2 compares contents."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class B2TextObject(Resource, module="nix-cache", name="B2TextObject"):
    """A small object.

    Args:
        resource_name: the resource's name in the stack.
        bucket_id: the bucket.
        key: the object's name there.
        text: what is in it.
        content_type: the media type for browsers.
        opts: as for any resource.
    """

    def __init__(
        self,
        resource_name: str,
        bucket_id: pulumi.Input[str],
        key: str,
        text: pulumi.Input[str],
        content_type: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"bucket_id": bucket_id, "key": key, "text": text, "content_type": content_type}
        super().__init__(B2TextObjectProvider(), resource_name, props, opts)
