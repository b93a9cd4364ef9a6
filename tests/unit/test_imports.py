"""What runs without changes import: each module costs every preview of every stack."""

import subprocess
import sys

from tools.bootstrap import ROOT

PROGRAM = """
from nix_cache import BinaryCache
from nix_cache.program import read_config
from tests.unit.mocks import run

args = {"domain": "cache.example.org", "public": True, "minio": {"endpoint": "https://a.example"}}
assert run(lambda: BinaryCache("c", args).manifest).one(":S3Object", "c-index.html")
"""
"""A program on MinIO with all that a public cache has."""

PROVIDER = """
from pulumi.dynamic import Config, ConfigureRequest
from nix_cache.dynamic.name_reservation import NameReservationProvider
from nix_cache.dynamic.signing_key import SigningKeyProvider

keys, names = SigningKeyProvider(), NameReservationProvider()
request = ConfigureRequest(Config({"minio:minioServer": "127.0.0.1:1", "minio:minioUser": "user",
    "minio:minioPassword": "password"}, "nix-cache"))
for provider in (keys, names):
    provider.configure(request)
key = {"key_name": "a-1", "public_key": "a-1:AAAA", "secret_key": "a-1:AAAA"}
assert not keys.diff("a-1", key, keys.check(key, {"key_name": "a-1"}).inputs).changes
held = {"backend": "minio", "names": ["bucket/a"], "adopt": False, "problem": ""}
assert "127.0.0.1:1" in names.check(held, dict(held)).inputs["problem"]
"""
"""What the engine asks of the dynamic resources, up to the question to a server that is down."""


def imported(program: str) -> set[str]:
    """Return the packages that a program has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules, sep='\\n')"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_a_program_imports_no_other_backend_and_no_client_library() -> None:
    """It only declares: the engine's plugins talk to the storage."""
    found = imported(PROGRAM)

    assert {"pulumi_minio", "pydantic", "jinja2"} <= found
    assert not found & {
        *("pulumi_aws", "pulumi_digitalocean", "b2sdk", "boto3", "botocore", "minio"),
        *("nacl", "requests", "urllib3", "zstandard"),
    }


def test_dynamic_resources_import_neither_settings_nor_pages_nor_providers() -> None:
    """They run in their own process, which starts for every preview."""
    found = imported(PROVIDER)

    assert "urllib3" in found
    assert not found & {
        *("pulumi_minio", "pulumi_aws", "pydantic", "jinja2", "nacl"),
        *("b2sdk", "boto3", "botocore", "minio", "requests"),
    }
