"""A cache that the real engine made on the real MinIO, and every user's view of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from nix_cache.formats.narinfo import Narinfo, narinfo_key
from tests.e2e.nix import Done, Nix
from tests.engine.project import Project
from tests.engine.s3 import s3_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WRITER, READER = "nixbuilder", "nixreader"


class StorageServer(Protocol):
    """A server with an S3 API on this machine."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    @property
    def key_pair(self) -> tuple[str, str]:
        """The key pair of its administrator."""
        ...


@dataclass
class Cache:
    """A stack that is up, and its server.

    Attributes:
        project: the stack.
        server: where it is.
        outputs: the stack's outputs in clear, as of the last `up`.
    """

    project: Project
    server: StorageServer
    outputs: dict[str, Any]

    @classmethod
    def up(cls, project: Project, server: StorageServer) -> "Cache":
        """Bring a stack up."""
        project.up()
        return cls(project, server, project.outputs(secrets=True))

    def change(self, **settings: Any) -> None:
        """Change settings of the stack and bring it up."""
        self.project.set(**settings)
        self.project.up()
        self.outputs = self.project.outputs(secrets=True)

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return str(self.outputs["manifest"]["bucket"])

    @property
    def read_url(self) -> str:
        """The substituter's URL."""
        return str(self.outputs["readUrl"])

    @property
    def root(self) -> "S3Client":
        """An S3 client of the server's administrator."""
        return s3_client(self.server.url, *self.server.key_pair)

    def push_url(self, nix: Nix, writer: str = WRITER) -> str:
        """Return a writer's push URL, signing with the writer's key, on a machine that has it."""
        key = nix.write_key(self.outputs["signingKeys"][writer])
        return f"{self.outputs['pushUrls'][writer]}&secret-key={quote(str(key), safe='')}"

    def let_write(self, nix: Nix, writer: str = WRITER) -> None:
        """Give a machine a writer's credentials profile."""
        profile = self.outputs["manifest"]["profiles"][writer]
        nix.add_profile(profile, self.outputs["credentials"][writer])

    let_read = let_write

    def push(self, nix: Nix, *paths: str, writer: str = WRITER) -> Done:
        """Push paths from a machine by the real ``nix copy``, signed by a writer."""
        return nix.run("copy", "--to", self.push_url(nix, writer), *paths)

    def narinfo(self, path: str) -> Narinfo:
        """Return what the bucket says about a store path."""
        return Narinfo.parse(self.read(narinfo_key(path)).decode())

    def read(self, key: str) -> bytes:
        """Return an object of the bucket."""
        return self.root.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def write(self, key: str, content: bytes) -> None:
        """Change an object of the bucket, as a user with all rights could."""
        self.root.put_object(Bucket=self.bucket, Key=key, Body=content)

    def keys(self) -> set[str]:
        """Return the keys of all objects."""
        return set(self.changed_at())

    def changed_at(self) -> dict[str, datetime]:
        """By key, when the object was last written."""
        pages = self.root.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        entries = [entry for page in pages for entry in page.get("Contents", [])]
        return {entry["Key"]: entry["LastModified"] for entry in entries}
