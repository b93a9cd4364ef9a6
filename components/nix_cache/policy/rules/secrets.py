"""Rules on secrets: credentials are marked as such, and the state is encrypted with one."""

import json
from collections.abc import Iterator

from nix_cache.backends.registry import BACKENDS
from nix_cache.iam.values import NotYetKnownError
from nix_cache.policy.model import FOR_PRODUCTION, Context, Resource, Rule
from nix_cache.policy.storage_types import STACK

_PROVIDER = "pulumi:providers:"

_WRITERS = "nix-cache:writers"
_SIGNING_KEY = "signingKey"

_KEY_SERVICES = ("awskms://", "azurekeyvault://", "gcpkms://", "hashivault://")
_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - the name of a variable


def _credentials(resource: Resource, _context: Context) -> Iterator[str]:
    if not resource.type.startswith(_PROVIDER):
        return
    if resource.secrets is None:
        raise NotYetKnownError("this version of pulumi_policy does not report secrets")
    package = resource.type.removeprefix(_PROVIDER)
    named = {setting for provider, setting in _secret_settings() if provider == package}
    # A dynamic provider has all of the stack's configuration.
    named |= {f"{provider}:{setting}" for provider, setting in _secret_settings()}
    for setting in sorted(named & resource.properties.keys() - resource.secrets):
        if resource.read(setting):
            yield f"has {setting} in plain text"
    if _WRITERS in resource.properties.keys() - resource.secrets and _brings_keys(resource):
        yield f"has a {_SIGNING_KEY} of {_WRITERS} in plain text"


def _secret_settings() -> Iterator[tuple[str, str]]:
    """Yield the settings of providers that are credentials."""
    for provider in (backend.provider for backend in BACKENDS.values()):
        for setting in provider.secret_settings:
            yield provider.package, setting


def _brings_keys(resource: Resource) -> bool:
    text = resource.read(_WRITERS) or "[]"
    try:
        writers = json.loads(text)
    except (ValueError, RecursionError):
        return _SIGNING_KEY in text
    return isinstance(writers, list) and any(
        isinstance(writer, dict) and writer.get(_SIGNING_KEY) for writer in writers
    )


def _state(resource: Resource, context: Context) -> Iterator[str]:
    if context.is_development or resource.type != STACK:
        return
    if context.stack_file is None:
        raise NotYetKnownError(f"there is no Pulumi.{context.stack}.yaml beside the pack")
    provider = str(context.stack_file.get("secretsprovider") or "passphrase")
    if provider.startswith(_KEY_SERVICES) or provider == "default":
        return
    if provider != "passphrase":
        yield f"has the secrets provider {provider!r}, which is unknown"
    elif "encryptionsalt" in context.stack_file and context.environment.get(_PASSPHRASE) == "":
        yield f"has its secrets encrypted with an empty passphrase ({_PASSPHRASE})"


PROVIDER_CREDENTIALS = Rule(
    id="provider-credentials",
    holds="The credentials of providers are secrets.",
    why="a value that is not secret is in the state in clear text, and stays in its history",
    fix="set it with `pulumi config set --secret`, or wrap it in pulumi.Output.secret",
    check=_credentials,
)

STATE_ENCRYPTION = Rule(
    id="state-encryption",
    holds="Outside development, the state's secrets are encrypted with a secret.",
    why="the state has every signing key and credential; an empty passphrase protects nothing",
    fix="set a passphrase, or change to a key service: `pulumi stack change-secrets-provider`",
    check=_state,
    settings=FOR_PRODUCTION,
)
