"""Probes the rights to a bucket of a service, as far as a deployment can."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import ClientError

from nix_cache.backends.s3.bucket import ServiceBucket
from nix_cache.backends.s3.connection import S3Service, code_of, explained, iam_client
from nix_cache.backends.s3.login import S3Login, S3ServiceError
from nix_cache.backends.s3.plain_client import PlainClient
from nix_cache.backends.s3.users import Users
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.rights.acts import UNSAFE, Caller, CallerRole, Probed, Site
from nix_cache.rights.probes import probed
from nix_cache.rights.trials import Outcome, Trial

_NEW_KEY_SECONDS, _PAUSE_SECONDS = 15.0, 0.5
"""How long a new key pair may take until the service knows it, and the time between two looks."""

_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "Forbidden", "403", "401"})


@dataclass(frozen=True)
class ProbedUser:
    """A writer or a reader.

    Attributes:
        role: which of both.
        name: as in the settings.
        own: as the service has it.
        login: the key pair.
    """

    role: CallerRole
    name: str
    own: str
    login: S3Login


def probe_bucket(
    bucket: ServiceBucket, login: S3Login, users: Sequence[ProbedUser], *, is_public: bool
) -> list[Probed]:
    """Probe what anonymous clients, writers and readers of a bucket can do.

    Args:
        bucket: with the cache's own objects in it.
        login: the administrator's.
        users: the writers and readers.
        is_public: whether anonymous clients are to read objects.

    Raises:
        S3ServiceError: the service does not answer.
    """
    service = bucket.service
    administrator = Users(service, login) if service.iam_endpoint else None

    def can_mint(user: str) -> Trial:
        if administrator is None:
            return Trial(Outcome.UNCLEAR, "")
        return Trial(Outcome.ALLOWED, f"{len(administrator.key_ids(user))} key pairs")

    anonymous = PlainClient(service, bucket.name, None)
    site = Site(
        owner=PlainClient(service, bucket.name, login),
        anonymous=anonymous,
        region=service.region,
        is_public=is_public,
        can_mint=can_mint if administrator else None,
        no_answer=(S3ServiceError,),
    )
    callers = [Caller(CallerRole.ANONYMOUS, anonymous)]
    for user in users:
        client = PlainClient(service, bucket.name, user.login)
        _await_key(client)
        callers.append(
            Caller(
                role=user.role,
                client=client,
                name=user.name,
                access_key_id=user.login.access_key_id,
                mint=minter(service, login, user.login) if administrator else None,
                others=[other.own for other in users if other != user],
                own=user.own,
            )
        )
    return list(probed(site, callers))


def require_safe(service: S3Service, bucket: str, found: Sequence[Probed]) -> None:
    """Refuse a bucket that is open to anonymous clients.

    Raises:
        S3ServiceError: it is; the message names what is possible.
    """
    unsafe = [
        one
        for one in found
        if one.role is CallerRole.ANONYMOUS and one.act in UNSAFE and one.outcome is Outcome.ALLOWED
    ]
    if not unsafe:
        return
    acts = ", ".join(f"{one.act} ({one.detail})" for one in unsafe)
    left = [key for one in unsafe for key in one.left]
    remains = f" The probe could not delete {', '.join(left)}: delete it." if left else ""
    raise S3ServiceError(
        f"The S3 service at {service.endpoint} lets anonymous clients of the bucket {bucket!r}: "
        f"{acts}.{remains} Remove the policy or access list that permits it, or switch on the "
        "service's access control, then run `pulumi up` again."
    )


def wider(found: Sequence[Probed]) -> list[str]:
    """Return what writers and readers can do although no cache needs it, each as a sentence."""
    return [f"{one} ({one.detail})" for one in found if one.outcome is Outcome.ALLOWED]


def undecided(found: Sequence[Probed]) -> list[str]:
    """Return what could not be checked, each with the reason."""
    return [f"whether {one}: {one.detail}" for one in found if one.outcome is Outcome.UNCLEAR]


def left_behind(found: Sequence[Probed]) -> list[str]:
    """Return the objects and key pairs that the probes could not remove."""
    return [one for each in found for one in each.left]


def users_of(given: Mapping[str, Mapping[str, str]]) -> list[ProbedUser]:
    """Return the users that the input of a resource describes."""
    return [
        ProbedUser(
            CallerRole[one["role"]],
            name,
            one["own"],
            S3Login(one["access_key_id"], one["secret_access_key"]),
        )
        for name, one in given.items()
    ]


def _await_key(client: PlainClient) -> None:
    """Wait until the service knows a new key pair, or until it has had its time."""
    until = time.monotonic() + _NEW_KEY_SECONDS
    while client.request("GET", INFO_KEY).status != 200 and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)


def minter(service: S3Service, administrator: S3Login, caller: S3Login) -> Callable[[str], Trial]:
    """Return what tries to create a key pair of a user, and deletes it again.

    Args:
        service: with an IAM API.
        administrator: deletes the key pair.
        caller: tries to create it.
    """

    def mint(user: str) -> Trial:
        with explained(service.iam_endpoint, caller, "create a key pair"):
            try:
                answer = iam_client(service, caller).create_access_key(UserName=user)
            except ClientError as refusal:
                status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                is_refused = code_of(refusal) in _REFUSED or status in {401, 403}
                outcome = Outcome.REFUSED if is_refused else Outcome.UNCLEAR
                return Trial(outcome, f"{status}")
        key_id = answer["AccessKey"]["AccessKeyId"]
        try:
            Users(service, administrator).delete_key(user, key_id)
        except S3ServiceError:  # the key pair works, so its id has to be reported
            return Trial(Outcome.ALLOWED, "200", f"the key pair {key_id} of the user {user}")
        return Trial(Outcome.ALLOWED, "200")

    return mint
