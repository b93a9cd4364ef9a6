"""A public and a private cache on one server, and all users who has a credential for either."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from tests.engine.project import public_cache
from tests.engine.s3 import s3_client
from tools.engine import Engine
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PUBLIC, PRIVATE, FOREIGN = "nix-cache", "private.cache", "of-another-user"
"""The buckets. The second has a dot, which MinIO allows. The last one is not a cache."""

SETTINGS: dict[str, dict[str, Any]] = {
    PUBLIC: {"readers": ["team-reader"]},
    PRIVATE: {
        "public": False,
        "readers": ["team-reader"],
        "priority": 30,
        "wantMassQuery": False,
        "storeDir": "/gnu/store",
    },
}
"""One cache with the recipe's names and values, one without any of them."""

HASH = "0123456789abcdfghijklmnpqrsvwxyz"
NARINFO = f"{HASH}.narinfo"
NAR = f"nar/{HASH}.nar.zst"

WRITABLE = (
    NARINFO,
    f"{HASH}.ls",
    NAR,
    f"log/{HASH}-hello.drv",
    "realisations/sha256:0a1b!out.doi",
    "debuginfo/0a1b2c.debug",
    "build-trace-v2/0a1b.doi",
)
"""A key of each kind that Nix writes."""

UNWRITABLE = (
    "nix-cache-info",
    "index.html",
    "nix-cache.json",
    f"{HASH[:-1]}.narinfo",
    f"{HASH}0.narinfo",
    f"{NARINFO}.bak",
    "nar",
)
"""Keys that no user but the owner writes."""


@dataclass(frozen=True)
class TwoCaches:
    """The server and its users.

    Attributes:
        url: the server's.
        root: an S3 client of its administrator.
        users: credentials by the user's name on the server, as the stacks give them out.
    """

    url: str
    root: "S3Client"
    users: dict[str, dict[str, str]]

    @classmethod
    def create(cls, folder: Path, engine: Engine, server: LocalServer) -> Self:
        """Bring up one stack for each cache, and put a NAR into each."""
        connection = server.connection()
        root = s3_client(server.url, connection.user, connection.password)
        users = {}
        for bucket, settings in SETTINGS.items():
            project = public_cache(folder / bucket, engine, folder / "minio")
            project.set(bucket=bucket, **settings)
            project.up()
            for credential in project.outputs(secrets=True)["credentials"].values():
                users[credential["accessKeyId"]] = credential
            root.put_object(Bucket=bucket, Key=NAR, Body=b"a NAR")
        root.create_bucket(Bucket=FOREIGN)
        return cls(server.url, root, users)

    def client(self, user: str) -> "S3Client":
        """Return an S3 client of a user."""
        credential = self.users[user]
        return s3_client(self.url, credential["accessKeyId"], credential["secretAccessKey"])

    def administrate(self, user: str) -> MinioAdmin:
        """Return a client of the admin API, of a user."""
        credential = self.users[user]
        return MinioAdmin(
            endpoint=self.url.removeprefix("http://"),
            credentials=StaticProvider(credential["accessKeyId"], credential["secretAccessKey"]),
            secure=False,
        )

    def contents(self) -> dict[str, str]:
        """All objects of all buckets, each with a checksum of what is in it."""
        return {
            f"{bucket['Name']}/{entry['Key']}": entry["ETag"]
            for bucket in self.root.list_buckets()["Buckets"]
            for entry in self.root.list_objects_v2(Bucket=bucket["Name"]).get("Contents", [])
        }
