"""Asks a cache for the paths of a closure, as a push does, and prints how many seconds it took.

`python -m bench.asking STORE_PATH` runs as the writer of the only cache of this machine.
"""

import gc
import sys
import time

from nix_cache.cli.__main__ import ALLOCATIONS
from nix_cache.cli.nix.closure import closure_of
from nix_cache.cli.options import JOBS
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.messages import Requester
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload.bucket import Bucket
from nix_cache.cli.upload.identity import identify
from nix_cache.cli.upload.writer import find_writer


def main(root: str) -> int:
    """Ask; returns the process's exit code."""
    gc.set_threshold(ALLOCATIONS)
    writer = find_writer(None)
    manifest = writer.manifest
    closure = closure_of([root])
    client = S3Client.of(manifest, identify(writer).credentials, Transport(jobs=JOBS))
    who = Requester(writer.name, manifest.endpoint, manifest.bucket)
    bucket = Bucket(manifest, client, who, JOBS, writer.current_keys, writer.key)
    bucket.require_access()
    began = time.monotonic()
    held = bucket.held(closure)
    seconds = time.monotonic() - began
    assert len(held) == len(closure), f"{len(held)} of {len(closure)} paths are there"
    print(seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
