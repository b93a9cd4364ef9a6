"""Asks a MinIO server for drift of one cache, in place of the engine's refresh.

The provider fails every refresh over a user, a policy or a bucket that is gone, does not see what
else was done to users, and can drop from the state what does not answer. So a server is asked about
everything that the state has of a cache.
"""

from collections.abc import Iterator, Mapping, Sequence

from nix_cache.backends.drift import Act, Deployed, Finding, Repair
from nix_cache.backends.minio.drift.administrator import PACKAGE, connection_of
from nix_cache.backends.minio.drift.comparison import compare, renewal
from nix_cache.backends.minio.drift.declared import Declared
from nix_cache.backends.minio.drift.declared_by_state import declared
from nix_cache.backends.minio.drift.server import Administration
from nix_cache.backends.stack_state import provider_of


class CacheOnServer:
    """A cache on its server.

    Args:
        made: what the stack made there.
        server: the server.
    """

    def __init__(self, made: Declared, server: Administration) -> None:
        self._made = made
        self._server = server

    def findings(self) -> Sequence[Finding]:
        """Return every difference. Nothing is written."""
        return compare(self._made, self._server.look(self._made))

    def users(self) -> Mapping[str, Repair | None]:
        """Return how the credential of each user is renewed; None where the state has lost it."""
        return {user.name: renewal(user) if user.urn else None for user in self._made.users}

    def lost(self) -> Sequence[str]:
        """Return what is reserved and not in the state, in words."""
        return [
            *(f"the bucket {one.name}" for one in self._made.buckets if not one.urn),
            *(f"the user {one.name}" for one in self._made.users if not one.urn),
            *(f"the policy {one.name}" for one in self._made.policies if not one.urn),
        ]

    def do(self, act: Act) -> str:
        """Do one act; returns why it could not be done, or nothing."""
        return self._server.do(act)

    def remove_half_made(self) -> Iterator[str]:
        """Remove the buckets that an interrupted run created but did not note in the state.

        Only a bucket whose name the stack has reserved, and that is empty, is removed; the engine
        refuses to create it while it exists.

        Yields:
            what was removed, one sentence each.
        """
        for bucket in self._made.buckets:
            if not bucket.urn and self._server.remove_empty_bucket(bucket.name):
                yield f"removed the empty bucket {bucket.name}, which an interrupted run left"


def reach(deployed: Deployed) -> CacheOnServer:
    """Return a cache on the server of its provider. Nothing is asked yet.

    Raises:
        MinioServerError: the administrator is not known.
    """
    provider = provider_of(deployed.cache, PACKAGE, deployed.resources)
    connection = connection_of(provider, deployed.configuration, deployed.folder)
    made = declared(deployed.cache.resources, deployed.resources, provider.urn)
    return CacheOnServer(made, Administration(connection))
