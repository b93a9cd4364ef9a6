"""Descriptions of caches that do not exist, for tests of the client."""

import json
from pathlib import Path
from typing import Any

from nix_cache.cli.caches.source import Source
from nix_cache.cli.s3.credentials import Credential
from nix_cache.formats import signing
from nix_cache.formats.manifest import Manifest
from nix_cache.render import nix_conf

ENDPOINT = "https://s3.example.org"
WRITER, READER = "nixbuilder", "nixreader"
KEY = signing.generate("cache.example.org-nixbuilder-1")
NEXT_KEY = signing.generate("cache.example.org-nixbuilder-2")


def outputs(
    *, public: bool = True, bucket: str = "demo", key: signing.SecretKey = KEY, **changes: Any
) -> dict[str, Any]:
    """All outputs of a stack, in clear, that the client reads."""
    users = [WRITER] if public else [WRITER, READER]
    region = "us-east-1"
    read_url = (
        f"{ENDPOINT}/{bucket}" if public else nix_conf.s3_read_url(bucket, ENDPOINT, region, READER)
    )
    cache = {
        "version": 1,
        "backend": "minio",
        "bucket": bucket,
        "endpoint": ENDPOINT,
        "region": region,
        "public": public,
        "storeDir": "/nix/store",
        "priority": 40,
        "wantMassQuery": True,
        "readUrl": read_url,
        "pushUrls": {WRITER: nix_conf.s3_push_url(bucket, ENDPOINT, region, WRITER)},
        "profiles": {user: user for user in users},
        "publicKeys": [key.public_text],
        "keyNames": {WRITER: key.name},
        "readers": [] if public else [READER],
        "expireAfterDays": 0,
        "landingPage": public,
        "descriptor": public,
        **changes,
    }
    return {
        "manifest": cache,
        "signingKeys": {WRITER: key.secret_text},
        "credentials": {
            user: {"accessKeyId": user, "secretAccessKey": f"secret-of-{user}"} for user in users
        },
    }


def manifest(**changes: Any) -> Manifest:
    """One of them, as the client has it."""
    return Manifest.model_validate(outputs(**changes)["manifest"])


def source(**changes: Any) -> Source:
    """One of them, with all secrets."""
    reported = outputs(**changes)
    return Source(
        Manifest.model_validate(reported["manifest"]),
        reported["signingKeys"],
        {user: Credential.model_validate(pair) for user, pair in reported["credentials"].items()},
    )


def write(path: Path, reported: dict[str, Any]) -> str:
    """Keep outputs in a file; gives its name."""
    path.write_text(json.dumps(reported))
    return str(path)
