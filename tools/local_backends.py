"""The backends with a server that `make up` can run on this machine. Needs no packages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LocalBackend:
    """A backend whose server runs on this machine.

    Attributes:
        name: its name in the settings.
        stack: the stack that `make up` makes on it.
        folder: the name of the server's folder.
        title: the server's name for people.
        up: the command that starts it.
    """

    name: str
    stack: str
    folder: str
    title: str
    up: str


LOCAL_BACKENDS = {
    backend.name: backend
    for backend in (
        LocalBackend("minio", "dev", "minio", "MinIO", "make up"),
        LocalBackend("s3", "dev-s3", "seaweedfs", "SeaweedFS", "make up BACKEND=s3"),
    )
}
"""By name; the first one is the default."""

DEFAULT = next(iter(LOCAL_BACKENDS))


def backend_of(stack: str) -> LocalBackend:
    """Return the backend whose local stack has a name; the default one for any other stack."""
    found = {backend.stack: backend for backend in LOCAL_BACKENDS.values()}
    return found.get(stack, LOCAL_BACKENDS[DEFAULT])
