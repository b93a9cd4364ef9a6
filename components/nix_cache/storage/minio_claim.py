"""A claim on a name of a MinIO server, made before what bears the name.

The provider takes over a user or a policy that exists already, replaces its secret, and deletes it
on destroy. A claim finds that out in the preview. It also asks whether the server answers at all,
each time, so that an outage is one clear error before anything else happens.
"""

import os
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.dynamic import (
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from nix_cache.storage.minio_connection import (
    CONFIG_KEYS,
    Connection,
    Kind,
    MinioServerError,
    connection_from,
)

if TYPE_CHECKING:
    from nix_cache.storage.minio_names import Names

_ADVICE = {
    Kind.BUCKET: "choose another bucket, or take it over as 'Adoption' in the README tells",
    Kind.USER: "choose another name for the writer or reader, set minio.userPrefix, or take it "
    "over as 'Adoption' in the README tells",
    Kind.POLICY: "choose another bucket, remove the policy if nobody needs it, or take it over as "
    "'Adoption' in the README tells",
}
_SETTINGS = tuple(setting for setting, _ in CONFIG_KEYS.values())
_IDENTITY = ("minioServer", "minioUser", "minioPassword")
"""The settings without which no server can be asked."""


class _ClaimProvider(ResourceProvider):
    """Makes nothing. The check asks the server; what it finds goes to the program as an input."""

    def configure(self, req: ConfigureRequest) -> None:
        self._config = req.config
        self._failures: dict[Connection, str] = {}
        self._names: dict[Connection, Names] = {}
        self._answering: set[Connection] = set()
        """The servers that answered in this run. Names that are held do not ask them again."""

    def check(self, _olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        return CheckResult({**news, "problem": self._problem(news, held=bool(_olds))}, [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props['kind']}/{props['name']}", _granted(props))

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        replaces = [key for key in ("kind", "name") if _olds[key] != _news[key]]
        return DiffResult(changes=bool(replaces or _news["problem"]), replaces=replaces)

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(_granted(_news))

    def _problem(self, props: dict[str, Any], *, held: bool) -> str:
        """Why the name cannot be had, or nothing. For a name held already: why nobody answers."""
        explicit = {key: props[key] for key in _SETTINGS if key in props}
        unknown = {key for key, value in explicit.items() if isinstance(value, Unknown)}
        if unknown.intersection(_IDENTITY):
            return ""  # a preview before the server exists; `up` asks again
        known = {key: value for key, value in explicit.items() if key not in unknown}
        kind, name = Kind(props["kind"]), str(props["name"])
        connection = None
        try:
            connection = connection_from(known.get if known else self._setting)
            if reason := self._failures.get(connection):
                return reason
            if held or props["adopt"]:
                if connection not in self._answering:
                    self._names_on(connection).check_answers()
            elif self._names_on(connection).has(kind, name):
                return f"the {kind} {name!r} exists already on the MinIO server: {_ADVICE[kind]}"
            self._answering.add(connection)
        except MinioServerError as problem:
            if connection is not None:
                self._failures[connection] = str(problem)  # no claim after this one waits again
            return str(problem)
        return ""

    def _names_on(self, connection: Connection) -> "Names":
        if connection not in self._names:
            from nix_cache.storage.minio_names import Names  # a program only declares claims

            self._names[connection] = Names(connection)
        return self._names[connection]

    def _setting(self, key: str) -> Any:
        return self._config.get(f"minio:{key}")


def server_of(provider: pulumi.ProviderResource | None) -> pulumi.Output[str]:
    """The host and port of the server that a claim asks, which may not be known yet."""
    if provider is not None:
        server: pulumi.Output[str] = pulumi.get(provider, "minio_server")
        return server
    setting, variable = CONFIG_KEYS["server"]
    configured = pulumi.Config("minio").get(setting)
    return pulumi.Output.from_input(configured or os.environ.get(variable, ""))


def _granted(props: dict[str, Any]) -> dict[str, Any]:
    if props["problem"]:
        raise ValueError(props["problem"])
    return {key: props[key] for key in ("kind", "name", "adopt", "problem")}


class NameClaim(Resource, module="nix-cache", name="NameClaim"):
    """The right to a name on a server.

    Args:
        resource_name: the resource's name in the stack.
        kind: what is to bear the name.
        name: the name on the server.
        adopt: whether the name may be taken: what bears it is to be taken over.
        provider: the explicit provider whose server is meant; by default the one that the stack's
            configuration and the environment describe.
        opts: as for any resource.
    """

    problem: pulumi.Output[str]
    """Why the name cannot be had, or nothing."""

    def __init__(
        self,
        resource_name: str,
        kind: Kind,
        name: str,
        *,
        adopt: bool = False,
        provider: pulumi.ProviderResource | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        props: dict[str, Any] = {
            "kind": str(kind),
            "name": name,
            "adopt": adopt,
            "problem": None,
        }
        if provider is not None:
            for field, (setting, _) in CONFIG_KEYS.items():
                props[setting] = pulumi.Output.secret(pulumi.get(provider, f"minio_{field}"))
        super().__init__(_ClaimProvider(), resource_name, props, opts)
