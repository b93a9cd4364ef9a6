"""``SpacesBucketPolicy``: who may do what with a bucket, without a key."""

import contextlib
import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pulumi_digitalocean import SpacesBucketPolicyArgs

from tests.fakes.spaces_plugin.account import Account, explained
from tests.fakes.spaces_plugin.inputs import Failure
from tests.fakes.spaces_plugin.kind import Kind, by_region_and_name, unknown_region
from tests.fakes.spaces_plugin.wire import Properties


class BucketPolicy(Kind):
    """The policy of a bucket, which bears the bucket's name."""

    token = "digitalocean:index/spacesBucketPolicy:SpacesBucketPolicy"
    args = SpacesBucketPolicyArgs
    replaced_by = frozenset({"bucket", "region"})

    def mistakes(self, inputs: Properties) -> list[Failure]:
        """Return a region without Spaces, or a policy that is no JSON."""
        found = unknown_region(inputs)
        policy = inputs["policy"]
        if isinstance(policy, str) and _document(policy) is None:
            found.append(("policy", "is no JSON object"))
        return found

    def is_same(self, name: str, there: Any, wanted: Any) -> bool:
        """Policies are the same if they say the same."""
        if name == "policy" and isinstance(there, str) and isinstance(wanted, str):
            return bool(_in_one_order(_document(there)) == _in_one_order(_document(wanted)))
        return super().is_same(name, there, wanted)

    def create(self, account: Account, inputs: Properties) -> tuple[str, Properties]:
        """Set the policy."""
        bucket = inputs["bucket"]
        try:
            account.s3(inputs["region"]).put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])
        except (ClientError, BotoCoreError) as error:
            action = "Error occurred while creating new Spaces bucket policy"
            raise explained(action, error) from None
        return bucket, self.read(account, bucket, inputs)

    def read(self, account: Account, id_: str, state: Properties) -> Properties:
        """Return the policy; empty where there is none and, as officially, where it is unknown."""
        policy = ""
        with contextlib.suppress(ClientError, BotoCoreError):
            policy = account.s3(state["region"]).get_bucket_policy(Bucket=id_)["Policy"]
        return {"bucket": id_, "region": state["region"], "policy": policy}

    def update(
        self, account: Account, id_: str, state: Properties, inputs: Properties
    ) -> Properties:
        """Set the policy again."""
        return self.create(account, inputs)[1]

    def delete(self, account: Account, id_: str, state: Properties) -> None:
        """Leave the bucket without a policy."""
        try:
            account.s3(state["region"]).delete_bucket_policy(Bucket=id_)
        except (ClientError, BotoCoreError) as error:
            action = "Error occurred while deleting Spaces Bucket policy"
            raise explained(action, error) from None

    def imported(self, given: str) -> tuple[str, Properties]:
        """Return the policy of a bucket by region and name."""
        region, bucket = by_region_and_name(given, "bucket policy")
        return bucket, {"bucket": bucket, "region": region}


def _document(policy: str) -> dict[str, Any] | None:
    try:
        document = json.loads(policy)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _in_one_order(value: Any) -> Any:
    """Return a document in which lists of one are their item, and longer ones are sorted."""
    if isinstance(value, dict):
        return {key: _in_one_order(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted(map(_in_one_order, value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return value
