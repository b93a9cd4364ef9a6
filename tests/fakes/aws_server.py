"""AWS for a test: its own server, its administrator, and clients for all other users."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from tests.fakes.aws_process import AUTHORITY, HOST
from tools.bootstrap import ROOT

ACCOUNT = "123456789012"
REGION = "us-east-1"
NO_PLUGIN = "NO AWS PLUGIN: nothing on AWS was tested; `make test-aws` builds it and tests"
"""Why a test on AWS was skipped."""


@dataclass(frozen=True)
class Credential:
    """An access key, with a token if it is a role's."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class AwsServer:
    """A running server.

    Attributes:
        url: where all of its services are.
        authority: the certificate of the authority that its own is from.
        administrator: a user who may do everything.
    """

    url: str
    authority: Path
    administrator: Credential

    def environment(self) -> dict[str, str]:
        """Return the variables with which the AWS plugin and other tools use it as its root."""
        return {
            "AWS_ACCESS_KEY_ID": self.administrator.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.administrator.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_CA_BUNDLE": str(self.authority),
            # Neither a cloud's machine service nor the files of the developer are read.
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def config(self) -> dict[str, str]:
        """Return what a stack's configuration has to have beside.

        The server has one name, and none for each bucket or account. A plugin that knows the
        account asks for a bucket's tags at a name of the account's.
        """
        return {
            "aws:region": REGION,
            "aws:s3UsePathStyle": "true",
            "aws:skipCredentialsValidation": "true",
            "aws:skipRequestingAccountId": "true",
        }

    def client(self, service: Any, credential: Credential | None = None) -> Any:
        """Return a client of a service: of a user or role, or, without a credential, anonymous."""
        settings: dict[str, Any] = {
            "s3": {"addressing_style": "path"},
            "retries": {"max_attempts": 1},
        }
        if credential is None:
            settings["signature_version"] = UNSIGNED
        return boto3.client(
            service,
            endpoint_url=self.url,
            verify=str(self.authority),
            region_name=REGION,
            aws_access_key_id=credential.access_key_id if credential else None,
            aws_secret_access_key=credential.secret_access_key if credential else None,
            aws_session_token=credential.session_token if credential else None,
            config=Config(**settings),
        )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[AwsServer]:
    """Provide a server with only its administrator, which keeps its files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "aws.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.aws_process", str(folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"AWS's fake did not start:\n{(folder / 'aws.log').read_text()}"
        reported = json.loads(line)
        yield AwsServer(
            f"https://{HOST}:{reported['port']}",
            folder / AUTHORITY,
            Credential(reported["accessKeyId"], reported["secretAccessKey"]),
        )
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=20)
