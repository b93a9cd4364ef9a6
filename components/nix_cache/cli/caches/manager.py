"""Who lists and deletes in a bucket: the owner of a named profile, or the cache's janitor."""

from dataclasses import dataclass, field
from pathlib import Path

from nix_cache.cli.caches.target import Target, find_target
from nix_cache.cli.errors import UsageError
from nix_cache.cli.s3.credentials import Credential, Identity, find, owner_identity


@dataclass(frozen=True)
class Manager:
    """A cache, and a credential that can list and delete in its bucket.

    Attributes:
        target: the cache.
        credential: the credential.
        profile: where that is from, for messages.
    """

    target: Target
    credential: Credential | Identity = field(repr=False)
    profile: str


def find_manager(cache: str | None, project: Path | None, owner: str | None) -> Manager:
    """Find a cache and the credential that manages its contents.

    Args:
        cache: the name of a cache in use here, or a source; None for the one in use.
        project: the folder of the stack's program; the current one if None.
        owner: a credentials profile; None for the cache's janitor.

    Raises:
        UsageError: there is no such cache or credential, or no requests may be signed for it.
        ClientError: the source cannot be read.
        NoCredentialError: a credential is there and cannot be had.
    """
    if owner is None:
        return _janitor_of(find_target(cache, project, secrets=True))
    identity = owner_identity(owner)
    target = find_target(cache, project)
    target.require_place_for_owner()
    return Manager(target, identity, owner)


def _janitor_of(target: Target) -> Manager:
    """Return the janitor with the source's credential, or else with this machine's."""
    janitor = target.manifest.janitor
    used = target.record
    name = used.name if used else target.manifest.bucket
    use = used.use_command("--janitor") if used else "nix-cache use STACK --janitor"
    if janitor is None:
        raise UsageError(
            f"the cache {name} has no janitor, or the source does not name it",
            "name a credentials profile with --owner; or set `janitor` to true in the stack, run "
            f"`pulumi up`, and run `{use}`",
        )
    pair = target.source.credentials.get(janitor)
    if pair is not None and pair.secret_access_key:
        return Manager(target, pair, janitor)
    profile = target.profile(janitor, named=False)
    also = target.record.credentials_file if target.record else None
    found = find(profile, also) if profile else None
    if found is None or profile is None:
        raise UsageError(
            f"this machine has no credential of the janitor of the cache {name}",
            f"name a credentials profile with --owner, or run `{use}`",
        )
    return Manager(target, found, profile)
