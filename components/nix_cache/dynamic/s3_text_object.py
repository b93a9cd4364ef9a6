"""One small text in a bucket of an S3 service as a resource."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from nix_cache.dynamic.difference import difference
from nix_cache.dynamic.s3_provider import ServiceProvider


class S3TextObjectProvider(ServiceProvider):
    """Keeps one text in a bucket."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Write the text."""
        return CreateResult(f"{props['bucket']}/{props['key']}", self._put(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Compare the text and its media type."""
        actual = self.bucket(props).text(props["key"])
        if actual is None:
            return ReadResult("", {})
        text, content_type = actual
        seen = {**props, "content_type": content_type}
        if text != props["text"]:
            seen["text"] = f"(another text, of {len(text)} characters)"
        return ReadResult(id_, seen)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace an object with its place."""
        return difference(
            _olds,
            _news,
            replaced_by=["bucket", "key"],
            updated_by=["service", "text", "content_type"],
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Write the text again."""
        return UpdateResult(self._put(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the object."""
        self.bucket(_props).delete_text(_props["key"])

    def _put(self, props: dict[str, Any]) -> dict[str, Any]:
        self.bucket(props).put_text(props["key"], props["text"], props["content_type"])
        return dict(props)


class S3TextObject(Resource, module="nix-cache", name="S3TextObject"):
    """A small object.

    Args:
        resource_name: the resource's name in the stack.
        bucket: the bucket's name.
        key: the object's key there.
        text: its content.
        content_type: its media type.
        service: where the service is.
        opts: as for any resource.
    """

    def __init__(
        self,
        resource_name: str,
        bucket: pulumi.Input[str],
        key: str,
        text: pulumi.Input[str],
        content_type: str,
        *,
        service: pulumi.Input[Mapping[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {
            "bucket": bucket,
            "key": key,
            "text": text,
            "content_type": content_type,
            "service": service,
        }
        super().__init__(S3TextObjectProvider(), resource_name, props, opts)
