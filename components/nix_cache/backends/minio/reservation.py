"""What a reservation asks a MinIO server: whether the names of a cache are free.

The provider adopts a user or a policy that exists already, replaces its secret, and deletes it
on destroy.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import Config, DiffResult
from pulumi.output import Unknown

from nix_cache import docs
from nix_cache.backends.minio.connection import (
    CONFIG_KEYS,
    Connection,
    MinioServerError,
    NameKind,
    connection_from,
    parsed,
    spelled,
)

if TYPE_CHECKING:
    from nix_cache.backends.minio.names import Names

_ADOPTION = docs.page("operations/adoption")
_ADVICE = {
    NameKind.BUCKET: f"choose another bucket, or adopt this one: see {_ADOPTION}",
    NameKind.USER: "choose another name for the writer or reader, set minio.userPrefix, or adopt "
    f"the user: see {_ADOPTION}. If this stack was interrupted while it removed the user, run "
    "`pulumi up` without it first",
    NameKind.POLICY: "choose another bucket, remove the policy if it is unused, or adopt it: see "
    f"{_ADOPTION}",
}
_SETTINGS = tuple(setting for setting, _ in CONFIG_KEYS.values())
_IDENTITY = ("minioServer", "minioUser", "minioPassword")
"""The settings without which no server can be asked."""


def question(config: Config) -> "NamesQuestion":
    """Make the question for one stack's configuration."""
    return NamesQuestion(config)


class NamesQuestion:
    """Asks for the names that the stack does not hold yet."""

    kept = ("names",)

    def __init__(self, config: Config) -> None:
        self._config = config
        self._servers: dict[Connection, Names] = {}
        self._failures: dict[Connection, str] = {}

    def problem(self, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
        """Explain which names are taken, or why the server does not answer; empty if neither."""
        explicit = {key: wanted[key] for key in _SETTINGS if key in wanted}
        unknown = {key for key, value in explicit.items() if isinstance(value, Unknown)}
        if unknown.intersection(_IDENTITY):
            return ""  # a preview before the server exists; `up` asks again
        known = {key: value for key, value in explicit.items() if key not in unknown}
        connection = None
        try:
            connection = connection_from(known.get if known else self._setting)
            if reason := self._failures.get(connection):
                return reason  # the next cache of the program does not wait again
            return "\n".join(self._taken(self._server(connection), held, wanted))
        except MinioServerError as failure:
            if connection is not None:
                self._failures[connection] = str(failure)
            return str(failure)

    def changes(self, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> DiffResult:
        """Update in place when other names are wanted. A server may move."""
        return DiffResult(changes=kept.get("names") != wanted["names"])

    def new_id(self, wanted: Mapping[str, Any]) -> str:
        """Use the first name, which is the bucket's."""
        return str(wanted["names"][0])

    def _taken(
        self, server: "Names", held: Mapping[str, Any], wanted: Mapping[str, Any]
    ) -> Iterator[str]:
        names = [parsed(name) for name in wanted["names"]]
        new = [name for name in names if spelled(*name) not in held.get("names", ())]
        if wanted["adopt"] or not new:
            server.check_answers()
            return
        bucket = _bucket_of_release_0_1(held)
        for kind, name in new:
            if server.has(kind, name) and not (bucket and server.is_of_cache(kind, name, bucket)):
                yield f"the {kind} {name!r} exists already on the MinIO server: {_ADVICE[kind]}"

    def _server(self, connection: Connection) -> "Names":
        if connection not in self._servers:
            from nix_cache.backends.minio.names import Names  # a program only declares names

            self._servers[connection] = Names(connection)
        return self._servers[connection]

    def _setting(self, key: str) -> Any:
        return self._config.get(f"minio:{key}")


def _bucket_of_release_0_1(held: Mapping[str, Any]) -> str:
    """Return the bucket of a claim by version 0.1.0, which held one name; empty for a reservation.

    Users and policies had separate claims, which the reservation cannot see. So it recognises
    them by the rights in the bucket.
    """
    return str(held["name"]) if held.get("kind") == NameKind.BUCKET else ""
