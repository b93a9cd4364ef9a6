"""Users of a service that has the AWS IAM API: their policy and their key pairs.

Every call may be repeated after its response was lost, and every error is one sentence and its fix.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from nix_cache.backends.s3.connection import (
    NotOfferedError,
    S3Service,
    code_of,
    explained,
    iam_client,
)
from nix_cache.backends.s3.login import S3Login

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_GONE = frozenset({"NoSuchEntity", "404"})
_THERE = frozenset({"EntityAlreadyExists"})


@dataclass(frozen=True)
class ServiceKeyPair:
    """A key pair as the service returns it once."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


class Users:
    """The users of a service.

    Args:
        service: where it is.
        login: the administrator's key pair.

    Every method raises S3ServiceError if the service refuses, or does not answer.
    """

    def __init__(self, service: S3Service, login: S3Login) -> None:
        self._service = service
        self._login = login

    def has(self, name: str) -> bool:
        """Return whether there is a user of this name."""
        with self._explained(f"see the user {name!r}"):
            return self._unless_gone(lambda: self._client.get_user(UserName=name)) is not None

    def create(self, name: str) -> None:
        """Create a user. One that is there already is as good: the reservation asked before."""
        with self._explained(f"create the user {name!r}"):
            try:
                self._client.create_user(UserName=name)
            except ClientError as refusal:
                if code_of(refusal) not in _THERE:
                    raise

    def delete(self, name: str) -> None:
        """Delete a user with its policies and key pairs."""
        for pair in self.key_ids(name):
            self.delete_key(name, pair)
        self.remove_policies(name, self.policies(name))
        with self._explained(f"delete the user {name!r}"):
            self._unless_gone(lambda: self._client.delete_user(UserName=name))

    def policy(self, name: str, policy: str) -> Mapping[str, Any] | str:
        """Return a policy of a user as a document; an empty text if there is none."""
        with self._explained(f"see the policy of the user {name!r}"):
            found = self._unless_gone(
                lambda: self._client.get_user_policy(UserName=name, PolicyName=policy)
            )
        document: Mapping[str, Any] | str = (found or {}).get("PolicyDocument") or ""
        return document

    def policies(self, name: str) -> list[str]:
        """Return the names of all policies of a user, its own and those attached to it."""
        with self._explained(f"see the policies of the user {name!r}"):
            own = self._unless_gone(lambda: self._client.list_user_policies(UserName=name))
            attached = self._attached(name)
        names = [*(own or {}).get("PolicyNames", [])]
        names += [one["PolicyName"] for one in attached]
        return sorted(set(names))

    def set_policy(self, name: str, policy: str, document: str) -> None:
        """Set a policy of a user."""
        with self._explained(f"set the policy of the user {name!r}"):
            self._client.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=document)

    def remove_policies(self, name: str, policies: Sequence[str]) -> None:
        """Take policies away from a user, its own and those attached to it."""
        with self._explained(f"take policies away from the user {name!r}"):
            attached = self._attached(name)
            for one in attached:
                if one["PolicyName"] in policies:
                    self._client.detach_user_policy(UserName=name, PolicyArn=one["PolicyArn"])
            own = self._unless_gone(lambda: self._client.list_user_policies(UserName=name))
            for policy in (own or {}).get("PolicyNames", []):
                if policy in policies:
                    self._client.delete_user_policy(UserName=name, PolicyName=policy)

    def key_ids(self, name: str) -> list[str]:
        """Return the access key ids of a user."""
        with self._explained(f"list the key pairs of the user {name!r}"):
            found = self._unless_gone(lambda: self._client.list_access_keys(UserName=name))
        return [pair["AccessKeyId"] for pair in (found or {}).get("AccessKeyMetadata", [])]

    def create_key(self, name: str) -> ServiceKeyPair:
        """Create a key pair."""
        with self._explained(f"create a key pair of the user {name!r}"):
            made = self._client.create_access_key(UserName=name)["AccessKey"]
        return ServiceKeyPair(made["AccessKeyId"], made["SecretAccessKey"])

    def delete_key(self, name: str, access_key_id: str) -> None:
        """Delete a key pair. One that is gone already is as good."""
        with self._explained(f"delete a key pair of the user {name!r}"):
            self._unless_gone(
                lambda: self._client.delete_access_key(UserName=name, AccessKeyId=access_key_id)
            )

    @property
    def _client(self) -> "IAMClient":
        return iam_client(self._service, self._login)

    def _explained(self, action: str) -> AbstractContextManager[None]:
        return explained(self._service.iam_endpoint, self._login, action)

    def _attached(self, name: str) -> Sequence[Mapping[str, Any]]:
        """Return the policies attached to a user; none where the service does not have such."""
        try:
            with self._explained(f"see the policies attached to the user {name!r}"):
                found = self._unless_gone(
                    lambda: self._client.list_attached_user_policies(UserName=name)
                )
        except NotOfferedError:
            return []
        attached: Sequence[Mapping[str, Any]] = (found or {}).get("AttachedPolicies", [])
        return attached

    @staticmethod
    def _unless_gone(call: Any) -> Any:
        try:
            return call()
        except ClientError as refusal:
            if code_of(refusal) in _GONE:
                return None
            raise
