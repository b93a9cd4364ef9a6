"""Cloudflare's own simulator of R2, with its S3 API, for tests of the backend ``s3``.

It is a program for Node.js: Playwright brings a Node that is new enough, and ``npm`` installs the
packages of ``r2/package-lock.json`` once into the user's cache folder, as the lock's hashes say.
"""

import contextlib
import fcntl
import hashlib
import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from tools.bootstrap import cache_folder
from tools.local_process import HOST, free_port

_SOURCES = Path(__file__).parent / "r2"
_END_SECONDS = 10.0
NO_NPM = "NO NPM: the data plane of Cloudflare R2 was not tested"
"""Why its tests were skipped."""


@dataclass(frozen=True)
class R2Simulator:
    """A running simulator with one bucket, which one key pair can use.

    Attributes:
        url: its address.
        bucket: the bucket's name.
        key_pair: the key pair.
    """

    url: str
    bucket: str
    key_pair: tuple[str, str]


@contextlib.contextmanager
def running_r2(folder: Path, bucket: str) -> Iterator[R2Simulator]:
    """Provide a simulator that keeps its objects in a folder."""
    found = R2Simulator(
        f"http://{HOST}:{(port := free_port())}", bucket, (secrets.token_hex(16),) * 2
    )
    given = {
        "packages": str(_packages()),
        "bucket": bucket,
        "accessKeyId": found.key_pair[0],
        "secretAccessKey": found.key_pair[1],
        "port": port,
        "folder": str(folder / "objects"),
    }
    node, _ = compute_driver_executable()
    with (folder / "r2.log").open("w") as log:
        process = subprocess.Popen(
            [node, str(_SOURCES / "server.mjs")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(given))
        process.stdin.close()
        assert process.stdout.readline() == "ready\n", (folder / "r2.log").read_text()
        yield found
    finally:
        process.terminate()
        process.wait(_END_SECONDS)
        process.stdout.close()


def _packages() -> Path:
    """Return the folder with the installed packages; skip the test without an ``npm``."""
    lock = _SOURCES / "package-lock.json"
    folder = cache_folder() / f"miniflare-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not (folder / "node_modules" / ".package-lock.json").exists():
        if (npm := shutil.which("npm")) is None:
            pytest.skip(NO_NPM)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            for name in ("package.json", "package-lock.json"):
                shutil.copy2(_SOURCES / name, folder / name)
            if not (folder / "node_modules" / ".package-lock.json").exists():
                quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error")
                subprocess.run([npm, "ci", *quiet], cwd=folder, check=True, timeout=280)
    return folder
