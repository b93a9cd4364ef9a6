"""A cache that `nix-cache doctor` looks at, and the ways to make it ill by hand."""

import base64
import contextlib
import hashlib
import io
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import zstandard
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from nacl.signing import SigningKey

from nix_cache.cli import app
from nix_cache.formats.narinfo import Narinfo
from nix_cache.formats.nix_hash import NixHash
from nix_cache.iam.lifecycle import NIX32
from tests.engine.s3 import s3_client
from tools.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OWNER = "owner"
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Diagnosis:
    """What doctor found."""

    exit_code: int
    findings: list[dict[str, Any]]

    def of(self, level: str) -> list[str]:
        """Return what was found of one level."""
        return [finding["what"] for finding in self.findings if finding["level"] == level]

    @property
    def errors(self) -> list[str]:
        """The errors."""
        return self.of("error")


@dataclass(frozen=True)
class StorePath:
    """A store path in the bucket: its narinfo, and its NAR as it is stored."""

    narinfo: str
    nar: bytes

    @property
    def info(self) -> Narinfo:
        """The narinfo, read."""
        return Narinfo.parse(self.narinfo)


@dataclass
class Patient:
    """A cache of a stack, and all that it takes to change it behind the stack's back.

    Attributes:
        server: where it is.
        outputs: the stack's outputs, with secrets.
        home: the home of a user who runs doctor.
    """

    server: LocalServer
    outputs: dict[str, Any] = field(repr=False)
    home: Path

    def __post_init__(self) -> None:
        connection = self.server.connection()
        (self.home / ".aws").mkdir(parents=True)
        (self.home / ".aws" / "credentials").write_text(
            f"[{OWNER}]\naws_access_key_id = {connection.user}\n"
            f"aws_secret_access_key = {connection.password}\n"
        )
        (self.home / "bin").mkdir()

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return str(self.outputs["manifest"]["bucket"])

    @property
    def root(self) -> "S3Client":
        """An S3 client of the administrator."""
        connection = self.server.connection()
        return s3_client(self.server.url, connection.user, connection.password)

    @property
    def admin(self) -> MinioAdmin:
        """A client of the admin API."""
        connection = self.server.connection()
        return MinioAdmin(
            endpoint=connection.server,
            credentials=StaticProvider(connection.user, connection.password),
            secure=False,
        )

    def user_name(self, user: str) -> str:
        """Return a writer's or reader's name on the server."""
        return str(self.outputs["credentials"][user]["accessKeyId"])

    def source(self, **changes: Any) -> Path:
        """Return a file with the outputs, some fields of the manifest changed."""
        file = self.home / f"source-{secrets.token_hex(4)}.json"
        cache = {**self.outputs["manifest"], **changes}
        file.write_text(json.dumps({**self.outputs, "manifest": cache}))
        return file

    def seen_at(self, url: str) -> Path:
        """Return a file with the outputs of a cache whose server is at another URL.

        What its own manifest says is left out, for that names the real one.
        """
        file = self.source(descriptor=False)
        file.write_text(file.read_text().replace(self.server.url, url))
        return file

    def examined(
        self,
        *options: str,
        source: Path | None = None,
        owner: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> Diagnosis:
        """Run doctor. It must leave the server as it was."""
        before = self.everything()
        arguments = ["doctor", str(source or self.source()), *options, "--json"]
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, {**self.environment(), **(variables or {})}, clear=True),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            exit_code = app.run([*arguments, *(["--owner", OWNER] if owner else [])])
        assert out.getvalue(), err.getvalue()
        assert self.everything() == before
        return Diagnosis(exit_code, json.loads(out.getvalue()))

    def environment(self) -> dict[str, str]:
        """Return the environment of a user who has nothing but a home."""
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.home),
            "PATH": str(self.home / "bin"),
            "NIX_CONF_DIR": str(self.home / "etc"),
        }

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the installed command."""
        return subprocess.run(
            [sys.executable, "-m", "nix_cache.cli", *arguments],
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def everything(self) -> dict[str, Any]:
        """All objects and versions of the bucket, and the server's unfinished uploads."""
        found = self.root.list_object_versions(Bucket=self.bucket)
        entries = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
        # The server lists uploads only by the exact name of their object.
        uploads = self.server._folder / "data" / ".minio.sys" / "multipart"
        return {
            **{f"{entry['Key']} {entry['VersionId']}": entry.get("ETag") for entry in entries},
            "uploads": sorted(str(path) for path in uploads.rglob("xl.meta")),
        }

    def new_path(
        self,
        name: str = "hello",
        references: Sequence[str] = (),
        *,
        key: str | None = None,
        compression: str = "zstd",
        content: bytes | None = None,
    ) -> StorePath:
        """Return a store path that is not in the bucket yet, signed by the writer.

        Args:
            name: what follows its hash.
            references: the base names of the paths that it refers to.
            key: the secret key to sign with instead; not signed at all if empty.
            compression: of its NAR: zstd or none.
            content: of its one file.
        """
        nar = nar_of(content or secrets.token_bytes(50_000))
        stored = nar if compression == "none" else zstandard.compress(nar)
        store_hash = "".join(secrets.choice(NIX32) for _ in range(32))
        file_hash, nar_hash = (NixHash("sha256", hashlib.sha256(b).digest()) for b in (stored, nar))
        text = (
            f"StorePath: {self.outputs['manifest']['storeDir']}/{store_hash}-{name}\n"
            f"URL: nar/{file_hash.nix32.partition(':')[2]}.nar\nCompression: {compression}\n"
            f"FileHash: {file_hash.nix32}\nFileSize: {len(stored)}\n"
            f"NarHash: {nar_hash.nix32}\nNarSize: {len(nar)}\n"
            f"References: {' '.join(references)}\n"
        )
        secret_key = self.outputs["signingKeys"]["nixbuilder"] if key is None else key
        return StorePath(signed(text, secret_key) if secret_key else text, stored)

    @contextlib.contextmanager
    def having(self, *paths: StorePath) -> Iterator[None]:
        """Put store paths into the bucket for a while."""
        for path in paths:
            self.put(path.info.key, path.narinfo.encode())
            self.put(path.info.url, path.nar)
        try:
            yield
        finally:
            for path in paths:
                for key in (path.info.key, path.info.url):
                    self.root.delete_object(Bucket=self.bucket, Key=key)

    @contextlib.contextmanager
    def changed_object(self, key: str, content: bytes | None) -> Iterator[None]:
        """Put something else in an object's place for a while, or nothing."""
        before = self.root.get_object(Bucket=self.bucket, Key=key)
        body, content_type = before["Body"].read(), before["ContentType"]
        self.root.delete_object(Bucket=self.bucket, Key=key)
        if content is not None:
            self.put(key, content, content_type)
        try:
            yield
        finally:
            self.put(key, body, content_type)

    @contextlib.contextmanager
    def anonymous_may(self, *actions: str) -> Iterator[None]:
        """Widen the bucket policy for a while."""
        before = self.bucket_policy()
        statements = [
            {
                "Effect": "Allow",
                "Principal": {"AWS": ["*"]},
                "Action": [action],
                "Resource": [
                    f"arn:aws:s3:::{self.bucket}{'' if action.startswith('s3:List') else '/*'}"
                ],
            }
            for action in actions
        ]
        present = json.loads(before)["Statement"] if before else []
        document = {"Version": "2012-10-17", "Statement": [*present, *statements]}
        self.root.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))
        try:
            yield
        finally:
            if before:
                self.root.put_bucket_policy(Bucket=self.bucket, Policy=before)
            else:
                self.root.delete_bucket_policy(Bucket=self.bucket)

    @contextlib.contextmanager
    def user_may(self, user: str, *actions: str) -> Iterator[None]:
        """Give a user a further policy for a while."""
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": [*actions], "Resource": ["arn:aws:s3:::*"]}
            ],
        }
        file = self.home / "policy.json"
        file.write_text(json.dumps(document))
        self.admin.policy_add("further", str(file))
        self.admin.attach_policy(["further"], user=self.user_name(user))
        try:
            yield
        finally:
            self.admin.detach_policy(["further"], user=self.user_name(user))
            self.admin.policy_remove("further")

    @contextlib.contextmanager
    def expiring(self, *rules: tuple[str, int]) -> Iterator[None]:
        """Let objects go by prefix and days for a while."""
        self.root.put_bucket_lifecycle_configuration(
            Bucket=self.bucket,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": f"rule-{number}",
                        "Status": "Enabled",
                        "Filter": {"Prefix": prefix},
                        "Expiration": {"Days": days},
                    }
                    for number, (prefix, days) in enumerate(rules)
                ]
            },
        )
        try:
            yield
        finally:
            self.root.delete_bucket_lifecycle(Bucket=self.bucket)

    def put(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> None:
        """Put an object as the administrator."""
        self.root.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)

    def bucket_policy(self) -> str | None:
        """Return the bucket policy, if there is one."""
        try:
            return self.root.get_bucket_policy(Bucket=self.bucket)["Policy"]
        except self.root.exceptions.ClientError:
            return None


def signed(narinfo: str, secret_key: str) -> str:
    """Return a narinfo with one signature more."""
    name, _, encoded = secret_key.partition(":")
    key = SigningKey(base64.b64decode(encoded)[:32])
    signature = key.sign(Narinfo.parse(narinfo).fingerprint.encode()).signature
    return f"{narinfo}Sig: {name}:{base64.b64encode(signature).decode()}\n"


def nar_of(content: bytes) -> bytes:
    """Return the NAR of a single file."""

    def text(part: bytes) -> bytes:
        return len(part).to_bytes(8, "little") + part + bytes(-len(part) % 8)

    words = (b"nix-archive-1", b"(", b"type", b"regular", b"contents", content, b")")
    return b"".join(map(text, words))
