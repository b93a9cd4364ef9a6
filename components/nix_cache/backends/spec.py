"""What a backend is to the rest of the package: data, and functions that load its modules. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pulumi
    from pulumi.dynamic import Config

    from nix_cache.backends.drift import ServiceDrift
    from nix_cache.backends.provisioning import Provisioned, Request
    from nix_cache.backends.resource_types import ResourceTypes
    from nix_cache.config.problems import Problem
    from nix_cache.config.setting import BackendSettings
    from nix_cache.dynamic.name_reservation import Question
    from nix_cache.policy.model import Rule
    from nix_cache.rights.trials import Trial

ProviderFactory = Callable[[], "pulumi.ProviderResource"]
"""Makes the explicit provider that a stack's configuration describes."""


class Right(StrEnum):
    """A right that no client of a cache needs, and that some services cannot withhold."""

    LIST = "list"
    REPLACE = "upload what Nix does not write, nix-cache-info too"
    DELETE = "delete"


def _no_problems(_read: Callable[[str], Any], _environment: Mapping[str, str]) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, kw_only=True)
class Provider:
    """The Pulumi provider of a backend.

    Attributes:
        package: its name in the configuration and in the engine, such as ``minio``.
        sdk: its Python package, such as ``pulumi_minio``; empty if the resources are our own.
        secret_settings: the settings of the provider that are secret.
        endpoint_settings: the settings that are URLs of the service, or have such in them.
        without_tls: what makes its connections unsafe besides, as the rest of a sentence. Its
            arguments are how to read a setting, and the environment.
    """

    package: str
    sdk: str
    secret_settings: tuple[str, ...]
    endpoint_settings: tuple[str, ...] = ()
    without_tls: Callable[[Callable[[str], Any], Mapping[str, str]], Iterator[str]] = _no_problems


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How ``nix-cache stack verify`` tries a service out with a cache that it removes afterwards.

    Attributes:
        costs: what that costs, in a sentence or two, with what the figures rest on.
        variables: the environment's variables that have to be set, and what each is.
        config: makes of the environment the stack's configuration, by full key, beside what every
            verification sets.
        least_nix: the oldest Nix that can push to the service.
        owner_variables: the variables with a key pair of S3 that may do everything in the bucket,
            the id first, for the positive controls of probes. They may be unset.
        minter: makes, of the environment and a user's key pair, what tries to create a key pair of
            a user by name, and deletes it again; None where the service has no API for it.
    """

    costs: str
    variables: Mapping[str, str]
    config: Callable[[Mapping[str, str]], dict[str, Any]]
    least_nix: tuple[int, int, int] = (2, 33, 0)
    owner_variables: tuple[str, ...] = ()
    minter: "Callable[[Mapping[str, str], str, str], Callable[[str], Trial]] | None" = None


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A backend's settings, completed from the rest of a stack's configuration.

    Attributes:
        settings: the settings to check.
        provider: what makes the explicit provider; None for the default provider.
        problems: what is wrong with the configuration of the provider.
    """

    settings: Mapping[str, Any]
    provider: ProviderFactory | None = None
    problems: Sequence["Problem"] = ()


_DOTS_BREAK_TLS = (
    "break TLS: requests name the bucket as a part of the host's name, and no certificate covers "
    "such a name"
)


def _as_written(settings: Mapping[str, Any], _configured: Mapping[str, str]) -> Completion:
    return Completion(settings=settings)


@dataclass(frozen=True)
class CredentialResource:
    """The resource whose replacement gives a user another key pair.

    Attributes:
        type: the last part of its type.
        suffix: what follows the user in its name.
    """

    type: str
    suffix: str = ""

    def user_of(self, urn: str, cache: str) -> str | None:
        """Return whose key pair a resource of a cache is; None for another kind of resource."""
        kind, _, name = urn.rpartition("::")
        is_one = kind.rpartition(":")[2] == self.type
        if not is_one or not name.startswith(f"{cache}-") or not name.endswith(self.suffix):
            return None
        return name.removeprefix(f"{cache}-").removesuffix(self.suffix)


@dataclass(frozen=True, kw_only=True)
class ListPrice:
    """What a service asks for storage, by its public price list.

    Attributes:
        currency: by its ISO code.
        per_unit_month: for a unit of storage, for a month.
        unit_bytes: how many bytes a unit has.
        base_month: what is paid in any case, for a month.
        included_bytes: how much storage that pays for.
        source: where the prices are published.
        checked: the month when they were looked up, such as ``2026-07``.
    """

    per_unit_month: float
    source: str
    checked: str
    currency: str = "USD"
    unit_bytes: int = 10**9
    base_month: float = 0.0
    included_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class BackendSpec:
    """A storage service.

    Attributes:
        name: its name in the settings, and that of its extra.
        title: its name for people.
        settings: loads the model of its settings.
        provision: loads its storage, and with it the provider's package, and makes a cache's.
        question: loads what is asked of the service before names are used there.
        provider: its Pulumi provider.
        resource_types: loads what its resource types say about a cache.
        package: the Python package that its extra brings, by which an installation is recognised.
        verification: loads how the service is tried out; None if the tests do that already.
        drift: loads how the service itself is asked for drift; None if only the engine's refresh
            is asked, which does not see what the provider does not read.
        policy_rules: loads the policy rules on this backend alone.
        complete: completes its settings, given as written, from all of a stack's configuration.
        program_settings: by name, what ``complete`` reads besides: settings that only a stack of
            this repository has.
        program_defaults: by name, in words, what ``complete`` fills in for a required setting.
        writers_also: what a writer's credential cannot be kept from.
        readers_also: what a reader's credential cannot be kept from.
        limits_janitor: whether the janitor's credential can be kept from what a collection does
            not touch, such as the cache's metadata.
        rights_need: the setting, in Markdown, without which the service decides about the rights of
            users; empty if the stack always does.
        has_readers_in_public: whether a public cache can have readers besides.
        lifecycle_rules: how many rules a bucket can have; None if the service documents no limit.
        unfinished_upload_days: after how many days unfinished uploads are removed.
        no_dots: why the name of a bucket must not have dots, to follow "has dots, which"; empty
            where it may.
        cdn: the CDN that the stack can put before the bucket; empty if there is none.
        cdn_flush: a command that empties that CDN's cache for some objects.
        has_oidc_writers: whether workflows can push without a stored credential.
        credential: what is replaced to renew a credential; None if `stack renew` does that.
        list_price: of its storage; None if there is no public one.
        has_trace: whether the server's administrator can follow its requests, as on MinIO.
        access_logs_setting: the setting with which the service keeps access logs of the bucket;
            empty if the stack cannot have it do so.
    """

    name: str
    title: str
    settings: "Callable[[], type[BackendSettings]]"
    provision: "Callable[[Request], Provisioned]"
    question: "Callable[[Config], Question]"
    provider: Provider
    resource_types: "Callable[[], ResourceTypes]"
    package: str
    verification: Callable[[], Verification] | None = None
    drift: "Callable[[], ServiceDrift] | None" = None
    policy_rules: "Callable[[], tuple[Rule, ...]]" = tuple
    complete: Callable[[Mapping[str, Any], Mapping[str, str]], Completion] = _as_written
    program_settings: Mapping[str, str] = field(default_factory=dict)
    program_defaults: Mapping[str, str] = field(default_factory=dict)
    writers_also: frozenset[Right] = frozenset()
    readers_also: frozenset[Right] = frozenset()
    limits_janitor: bool = True
    rights_need: str = ""
    has_readers_in_public: bool = True
    lifecycle_rules: int | None
    unfinished_upload_days: int
    no_dots: str = _DOTS_BREAK_TLS
    cdn: str = ""
    cdn_flush: str = ""
    has_oidc_writers: bool = False
    credential: CredentialResource | None = None
    list_price: ListPrice | None = None
    has_trace: bool = False
    access_logs_setting: str = ""
