"""The probes of a throw-away cache, each with its positive control, as lines of a table."""

from collections.abc import Iterator, Mapping
from typing import Any

from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.stack.verify import backend as rows
from nix_cache.cli.stack.verify.backend import Action, Backend
from nix_cache.rights.acts import Caller, CallerRole, ProbeAct, Probed, Site
from nix_cache.rights.probes import probed
from nix_cache.rights.trials import Outcome

_ROLES = {CallerRole.WRITER: rows.Role.WRITER, CallerRole.READER: rows.Role.READER}
_ACTIONS = {
    ProbeAct.LIST: Action.LIST,
    ProbeAct.WRITE_FOREIGN: Action.REPLACE_INFO,
    ProbeAct.REPLACE: Action.REPLACE_INFO,
    ProbeAct.DELETE: Action.DELETE,
}
"""By probe, under what a backend declares that it cannot withhold it."""


def probe(
    backend: Backend, outputs: Mapping[str, Any], environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the outcome of each probe, ``ok``, ``FAILED``, ``WIDER`` or ``--``, and its line.

    Only what anonymous clients can do is a failure. A right of a user is reported by name.

    Args:
        backend: the service.
        outputs: of the stack, secrets in clear.
        environment: has the owner's key pair.
    """
    owner = _owner(backend, environment)
    if owner is None:
        missing = " and ".join(backend.owner_variables) or "nothing: it has no such variables"
        yield "--", f"the probes with positive controls were left out. They need {missing}"
        return
    cache = outputs["manifest"]
    url, region = f"{cache['endpoint'].rstrip('/')}/{cache['bucket']}", cache["region"]
    transport = Transport()

    def client(credential: Credential | None) -> S3Client:
        return S3Client(transport, url, region, credential)

    profiles: Mapping[str, str] = cache["profiles"]
    callers = [Caller(CallerRole.ANONYMOUS, client(None))]
    for user, pair in outputs["credentials"].items():
        credential = Credential(**pair)
        key_id, secret = credential.access_key_id, credential.secret_access_key
        callers.append(
            Caller(
                role=_role(user, cache),
                client=client(credential),
                name=user,
                access_key_id=key_id,
                mint=backend.minter(environment, key_id, secret) if backend.minter else None,
                others=[own for other, own in profiles.items() if other != user],
                own=profiles[user],
            )
        )
    of_owner = (owner.access_key_id, owner.secret_access_key)
    site = Site(
        owner=client(owner),
        anonymous=client(None),
        region=region,
        is_public=cache["public"],
        can_mint=backend.minter(environment, *of_owner) if backend.minter else None,
        no_answer=(NoAnswerError,),
    )
    for one in probed(site, callers):
        yield line(backend, one)


def line(backend: Backend, one: Probed) -> tuple[str, str]:
    """Return the outcome of a probe and its line."""
    left = f". Delete {', '.join(one.left)}" if one.left else ""
    if one.outcome is Outcome.UNCLEAR:
        return "--", f"not checked whether {one}: {one.detail}{left}"
    if one.outcome is Outcome.REFUSED:
        control = "which the owner can"
        if one.act is ProbeAct.UNSIGNED:
            control = "as only the signature is missing"
        return "ok", f"{one.caller} cannot {one.act} ({one.detail}), {control}{left}"
    if (_ROLES.get(one.role), _ACTIONS.get(one.act)) in backend.beyond:
        return "ok", f"{one} ({one.detail}), as declared{left}"
    outcome = "FAILED" if one.role is CallerRole.ANONYMOUS else "WIDER"
    return outcome, f"{one} ({one.detail}), which is not declared{left}"


def _role(user: str, cache: Mapping[str, Any]) -> CallerRole:
    if user in cache["pushUrls"]:
        return CallerRole.WRITER
    return CallerRole.READER if user in cache["readers"] else CallerRole.JANITOR


def _owner(backend: Backend, environment: Mapping[str, str]) -> Credential | None:
    """Return the owner's key pair; None if it is not in the environment."""
    values = [environment.get(name, "") for name in backend.owner_variables]
    if not values or not all(values):
        return None
    return Credential(access_key_id=values[0], secret_access_key=values[1])
