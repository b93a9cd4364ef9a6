"""``SpacesBucket``: a bucket with its lifecycle."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError
from pulumi_digitalocean import SpacesBucketArgs

from tests.fakes.spaces_plugin import FAKE
from tests.fakes.spaces_plugin.account import Account, RefusedError, code_of, explained
from tests.fakes.spaces_plugin.inputs import Failure
from tests.fakes.spaces_plugin.kind import Kind, UnfinishedError, by_region_and_name, unknown_region
from tests.fakes.spaces_plugin.wire import Properties

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleTypeDef, ObjectIdentifierTypeDef


class Bucket(Kind):
    """A bucket. As with the official plugin, another name is no reason to replace it."""

    token = "digitalocean:index/spacesBucket:SpacesBucket"
    args = SpacesBucketArgs
    replaced_by = frozenset({"region"})
    unsupported = frozenset({"corsRules", "versioning"})
    computed = frozenset({"versioning"})
    outputs = frozenset({"bucketDomainName", "bucketUrn", "endpoint", "versioning"})
    defaults: ClassVar[Mapping[str, Any]] = {"acl": "private", "region": "nyc3"}

    def mistakes(self, inputs: Properties) -> list[Failure]:
        """Return a region without Spaces, and what this plugin would have to make up."""
        found = unknown_region(inputs)
        if "name" not in inputs:
            found.append(("name", f"is missing; {FAKE} makes up none"))
        rules = inputs.get("lifecycleRules")
        for index, rule in enumerate(rules if isinstance(rules, list) else []):
            path = f"lifecycleRules[{index}]"
            if not rule.get("id"):
                found.append((f"{path}.id", f"is missing; {FAKE} makes up none"))
            if rule.get("noncurrentVersionExpiration") or set(rule.get("expiration", {})) - {
                "days"
            }:
                found.append((path, f"expires in a way that is not supported by {FAKE}"))
        return found

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Make the bucket, then set its lifecycle."""
        s3, name = account.s3(inputs["region"]), inputs["name"]
        try:
            s3.create_bucket(Bucket=name, ACL=inputs["acl"])
        except (ClientError, BotoCoreError) as error:
            raise explained("Error creating Spaces bucket", error) from None
        try:
            s3.put_bucket_acl(Bucket=name, ACL=inputs["acl"])
            if inputs.get("lifecycleRules"):
                _put_lifecycle(s3, name, inputs["lifecycleRules"])
            return name, _state(s3, name, inputs)
        except (ClientError, BotoCoreError) as error:
            reason = str(explained("Error putting S3 lifecycle", error))
            raise UnfinishedError(reason, name, {**inputs, "lifecycleRules": None}) from None

    def read(self, account: Account, id_: str, state: Properties) -> Properties | None:
        """Return the bucket, its region and its lifecycle. No user looks at its ACL."""
        s3 = account.s3(state["region"])
        try:
            s3.head_bucket(Bucket=id_)
            return _state(s3, id_, state)
        except ClientError as error:
            if code_of(error) in ("404", "NoSuchBucket"):
                return None
            raise explained(f'error reading Spaces bucket "{id_}"', error) from None
        except BotoCoreError as error:
            raise explained(f'error reading Spaces bucket "{id_}"', error) from None

    def update(
        self, account: Account, id_: str, state: Properties, inputs: Properties
    ) -> Properties:
        """Set what differs."""
        s3 = account.s3(inputs["region"])
        try:
            if not self.is_same("acl", state.get("acl"), inputs["acl"]):
                s3.put_bucket_acl(Bucket=inputs["name"], ACL=inputs["acl"])
            wanted = inputs.get("lifecycleRules") or []
            if not self.is_same("lifecycleRules", state.get("lifecycleRules") or [], wanted):
                if wanted:
                    _put_lifecycle(s3, inputs["name"], wanted)
                else:
                    s3.delete_bucket_lifecycle(Bucket=inputs["name"])
            return _state(s3, id_, inputs)
        except (ClientError, BotoCoreError) as error:
            raise explained("Error updating Spaces bucket", error) from None

    def delete(self, account: Account, id_: str, state: Properties) -> None:
        """Remove the bucket, and what is in it if that was agreed to."""
        s3 = account.s3(state["region"])
        try:
            _delete(s3, id_, with_contents=bool(state.get("forceDestroy")))
        except (ClientError, BotoCoreError) as error:
            raise explained(f"Error deleting Spaces Bucket {id_!r}", error) from None

    def imported(self, given: str) -> tuple[str, Properties]:
        """Return a bucket by its region and name."""
        region, name = by_region_and_name(given, "bucket")
        return name, {"name": name, "region": region, "forceDestroy": False}


def _state(s3: "S3Client", name: str, known: Properties) -> Properties:
    region = s3.get_bucket_location(Bucket=name).get("LocationConstraint") or known["region"]
    versioning = s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
    return {
        "acl": known.get("acl"),
        "forceDestroy": bool(known.get("forceDestroy")),
        "name": known.get("name", name),
        "region": region,
        "bucketDomainName": f"{known.get('name', name)}.{region}.digitaloceanspaces.com",
        "bucketUrn": f"do:space:{known.get('name', name)}",
        "endpoint": f"{region}.digitaloceanspaces.com",
        "lifecycleRules": _lifecycle(s3, name),
        "versioning": {"enabled": versioning},
    }


def _lifecycle(s3: "S3Client", name: str) -> list[Properties]:
    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    except ClientError as error:
        if code_of(error) == "NoSuchLifecycleConfiguration":
            return []
        raise
    return [_rule_found(dict(rule)) for rule in rules]


def _rule_found(rule: dict[str, Any]) -> Properties:
    found: Properties = {"id": rule.get("ID"), "enabled": rule["Status"] == "Enabled"}
    if prefix := rule.get("Filter", {}).get("Prefix"):
        found["prefix"] = prefix
    if abort := rule.get("AbortIncompleteMultipartUpload"):
        found["abortIncompleteMultipartUploadDays"] = abort["DaysAfterInitiation"]
    if expiration := rule.get("Expiration"):
        found["expiration"] = {"days": expiration.get("Days")}
    return found


def _put_lifecycle(s3: "S3Client", name: str, rules: list[Properties]) -> None:
    configuration = {"Rules": [_rule_wanted(rule) for rule in rules]}
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration=configuration,  # type: ignore[arg-type]
    )


def _rule_wanted(rule: Properties) -> "LifecycleRuleTypeDef":
    wanted: LifecycleRuleTypeDef = {
        "ID": rule["id"],
        "Status": "Enabled" if rule["enabled"] else "Disabled",
        "Filter": {"Prefix": rule.get("prefix") or ""},
    }
    if days := rule.get("abortIncompleteMultipartUploadDays"):
        wanted["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": days}
    if days := rule.get("expiration", {}).get("days"):
        wanted["Expiration"] = {"Days": days}
    return wanted


def _delete(s3: "S3Client", name: str, *, with_contents: bool) -> None:
    while True:
        try:
            s3.delete_bucket(Bucket=name)
            return
        except ClientError as error:
            if code_of(error) != "BucketNotEmpty" or not with_contents:
                raise
        found = s3.list_object_versions(Bucket=name)
        versions: list[dict[str, Any]] = [
            dict(version)
            for version in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        ]
        objects: list[ObjectIdentifierTypeDef] = [
            {"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions
        ]
        if not objects:
            raise RefusedError(f"{name} is said not to be empty, but lists nothing")
        s3.delete_objects(Bucket=name, Delete={"Objects": objects})
