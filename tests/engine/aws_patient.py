"""A cache on AWS whose janitor and writer are on this machine."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nix_cache.cli.caches.record import Record, save
from nix_cache.cli.machine.places import user_place
from nix_cache.formats.manifest import Manifest
from tests.engine.patient import Patient
from tests.fakes.aws_server import AwsServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass
class AwsPatient(Patient):
    """The same as on MinIO, but for what moto does not have."""

    aws: AwsServer = field(kw_only=True)

    def __post_init__(self) -> None:
        (self.home / ".aws").mkdir(parents=True)
        (self.home / "bin").mkdir()

    @property
    def root(self) -> "S3Client":
        """An S3 client of a user who may do everything."""
        client: S3Client = self.aws.client("s3", self.aws.administrator)
        return client

    def environment(self) -> dict[str, str]:
        """Return the environment of a user who has nothing but a home, and trusts the server."""
        return {**super().environment(), "NIX_SSL_CERT_FILE": str(self.aws.authority)}

    def use(self, name: str, writer: str) -> None:
        """Let this machine push to the cache as a writer, whose profile it then has."""
        manifest = Manifest.model_validate(self.outputs["manifest"])
        pair = self.outputs["credentials"][writer]
        (self.home / ".aws" / "credentials").write_text(
            f"[{manifest.profiles[writer]}]\naws_access_key_id = {pair['accessKeyId']}\n"
            f"aws_secret_access_key = {pair['secretAccessKey']}\n"
        )
        key_file = self.home / "key.sec"
        key_file.touch(mode=0o600)
        key_file.write_text(self.outputs["signingKeys"][writer])
        record = Record(name=name, manifest=manifest, writer=writer, signing_key_file=key_file)
        save(user_place({"HOME": str(self.home)}), record)
