"""``SpacesBucketObject``: one object whose content is a text."""

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from pulumi_digitalocean import SpacesBucketObjectArgs

from tests.fakes.spaces_plugin.account import Account, code_of, explained
from tests.fakes.spaces_plugin.inputs import Failure
from tests.fakes.spaces_plugin.kind import Kind, unknown_region
from tests.fakes.spaces_plugin.wire import Properties


class BucketObject(Kind):
    """An object. Its content is never read: only a checksum in the inputs shows another one."""

    token = "digitalocean:index/spacesBucketObject:SpacesBucketObject"
    args = SpacesBucketObjectArgs
    replaced_by = frozenset({"bucket", "key", "region"})
    computed = frozenset({"contentType", "etag"})
    unsupported = frozenset(
        {
            "cacheControl",
            "contentBase64",
            "contentDisposition",
            "contentEncoding",
            "contentLanguage",
            "metadata",
            "source",
            "websiteRedirect",
        }
    )
    outputs = frozenset({"contentType", "etag", "versionId"})
    defaults: ClassVar[Mapping[str, Any]] = {"acl": "private"}

    def mistakes(self, inputs: Properties) -> list[Failure]:
        """Return a region without Spaces, another ACL, or no name."""
        found = unknown_region(inputs)
        if inputs.get("acl", "private") not in ("private", "public-read"):
            found.append(("acl", "is neither private nor public-read"))
        found += [(name, "is empty") for name in ("bucket", "key") if inputs[name] == ""]
        return found

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Put the object."""
        s3, bucket, key = account.s3(inputs["region"]), inputs["bucket"], inputs["key"]
        given = {"ContentType": inputs["contentType"]} if inputs.get("contentType") else {}
        try:
            s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=inputs.get("content", "").encode(),
                ACL=inputs["acl"],
                **given,
            )
        except (ClientError, BotoCoreError) as error:
            raise explained(f"Error putting object in Spaces bucket ({bucket})", error) from None
        return key, self.read(account, key, inputs) or inputs

    def read(self, account: Account, id_: str, state: Properties) -> Properties | None:
        """Return what is reported of the object without reading it."""
        try:
            head = account.s3(state["region"]).head_object(Bucket=state["bucket"], Key=state["key"])
        except ClientError as error:
            if code_of(error) == "404":
                return None
            raise explained(f"error reading object {id_}", error) from None
        except BotoCoreError as error:
            raise explained(f"error reading object {id_}", error) from None
        return {
            **{key: state.get(key) for key in ("acl", "bucket", "content", "key", "region")},
            "forceDestroy": bool(state.get("forceDestroy")),
            "cacheControl": head.get("CacheControl", ""),
            "contentDisposition": head.get("ContentDisposition", ""),
            "contentEncoding": head.get("ContentEncoding", ""),
            "contentLanguage": head.get("ContentLanguage", ""),
            "contentType": head.get("ContentType", ""),
            "etag": head["ETag"].strip('"'),
            "metadata": head.get("Metadata", {}),
            "versionId": head.get("VersionId", ""),
            "websiteRedirect": head.get("WebsiteRedirectLocation", ""),
        }

    def update(
        self, account: Account, id_: str, state: Properties, inputs: Properties
    ) -> Properties:
        """Put the object again."""
        return self.create(account, inputs)[1]

    def delete(self, account: Account, id_: str, state: Properties) -> None:
        """Remove the object. One that is gone already is no error."""
        bucket, key = state["bucket"], state["key"]
        try:
            account.s3(state["region"]).delete_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if code_of(error) not in ("NoSuchBucket", "NoSuchKey"):
                action = f"error deleting Spaces Bucket ({bucket}) Object ({key})"
                raise explained(action, error) from None
        except BotoCoreError as error:
            action = f"error deleting Spaces Bucket ({bucket}) Object ({key})"
            raise explained(action, error) from None
