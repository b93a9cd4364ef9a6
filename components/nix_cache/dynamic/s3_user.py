"""A user of an S3 service that has the AWS IAM API, as a resource: with the policy that it has."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from nix_cache.dynamic.difference import difference
from nix_cache.dynamic.s3_provider import ServiceProvider

if TYPE_CHECKING:
    from nix_cache.backends.s3.users import Users

POLICY_NAME = "nix-cache"
"""The name of the inline policy of each user."""


class S3UserProvider(ServiceProvider):
    """Makes a user, and keeps its policy."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the user. The reservation asked before whether there is one."""
        users = self.users(props)
        users.create(props["user_name"])
        users.set_policy(props["user_name"], POLICY_NAME, props["policy"])
        users.remove_policies(props["user_name"], _others(users, props))  # of an adopted user
        return CreateResult(props["user_name"], {**props, "other_policies": []})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Read the user's policy, and which policies it was given besides."""
        from nix_cache.iam.policy_changes import same

        users = self.users(props)
        if not users.has(props["user_name"]):
            return ReadResult("", {})
        seen = {**props, "other_policies": _others(users, props)}
        actual = users.policy(props["user_name"], POLICY_NAME)
        if not same(props["policy"], actual):
            seen["policy"] = actual if isinstance(actual, str) else json.dumps(actual)
        return ReadResult(id_, seen)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        """Replace a user with its name. A policy that it was given besides is a change."""
        return difference(
            _olds,
            {**_news, "other_policies": []},
            replaced_by=["user_name"],
            updated_by=["service", "policy", "other_policies"],
        )

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        """Set the policy, and take away others."""
        users = self.users(_news)
        users.set_policy(_news["user_name"], POLICY_NAME, _news["policy"])
        users.remove_policies(_news["user_name"], _olds.get("other_policies") or [])
        return UpdateResult({**_news, "other_policies": []})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Delete the user with its policies and key pairs."""
        self.users(_props).delete(_props["user_name"])


def _others(users: "Users", props: Mapping[str, Any]) -> list[str]:
    """Return the names of the policies that a user has besides."""
    return [name for name in users.policies(props["user_name"]) if name != POLICY_NAME]


class S3User(Resource, module="nix-cache", name="S3User"):
    """A user with one inline policy. Its id is its name.

    Args:
        resource_name: the resource's name in the stack.
        user_name: its name on the service.
        policy: the policy as JSON.
        service: where the service is.
        opts: as for any resource.
    """

    user_name: pulumi.Output[str]
    """Its name on the service."""

    def __init__(
        self,
        resource_name: str,
        user_name: str,
        policy: str,
        *,
        service: pulumi.Input[Mapping[str, str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props = {"user_name": user_name, "policy": policy, "service": service}
        super().__init__(S3UserProvider(), resource_name, props, opts)
