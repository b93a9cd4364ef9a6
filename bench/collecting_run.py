"""Lists, reads or collects a cache once, and prints how many seconds and bytes it took.

`python -m bench.collecting_run DOCUMENT` is what `bench.collecting` measures. It imports nothing
that `nix-cache gc` does not.
"""

import contextlib
import io
import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from bench.collecting_report import CollectingWay
from bench.simulated_cache import Paths, SimulatedTransport
from nix_cache.cli.caches import manager
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.gc import session
from nix_cache.cli.inventory import bucket as gc_bucket
from nix_cache.cli.inventory.listing import Listing
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.options import JOBS
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.manifest import Manifest


def main(arguments: Sequence[str]) -> int:
    """Do what the first argument says; returns the process's exit code."""
    document = json.loads(arguments[0])
    way, narinfos = CollectingWay[document["way"]], document["narinfos"]
    described = Manifest.model_validate(document["manifest"])
    user, password = document["keys"]
    credential = Credential(access_key_id=user, secret_access_key=password)
    is_simulated = document.get("isSimulated", False)
    transport = SimulatedTransport(Paths(narinfos)) if is_simulated else Transport(jobs=JOBS)
    client = S3Client.of(described, credential, transport)
    began = time.monotonic()
    match way:
        case CollectingWay.FLOOR:
            assert _listed_and_read(client) == narinfos
        case CollectingWay.LISTING:
            assert len(_listed(client, "nar/")) == narinfos
            assert len(_listed(client, "")) == narinfos + 1
        case CollectingWay.GC | CollectingWay.GC_AGAIN:
            found = _collected(described, credential, transport)
            assert found["kept"] == {"narinfos": narinfos}, found
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "peakBytes": _peak_bytes()}))
    return 0


def _peak_bytes() -> int:
    """Return the most memory so far. What `getrusage` has of it counts the parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+([0-9]+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def _listed(client: S3Client, prefix: str) -> list[Stored]:
    pages = Listing(client, "the bucket", JOBS).objects(prefix, list, lambda _: None)
    return [stored for each in pages for stored in each]


def _listed_and_read(client: S3Client) -> int:
    _listed(client, "nar/")
    keys = [one.key for one in _listed(client, "") if one.key.endswith(".narinfo")]
    return sum(len(answer.body) > 0 for _, answer in in_parallel(client.get, keys, JOBS))


def _collected(
    described: Manifest, credential: Credential, transport: Transport
) -> dict[str, object]:
    """Run `nix-cache gc --dry-run --json`."""
    request = session.CollectionRequest(
        cache=None,
        project=None,
        owner="owner",
        older_than_days=30,
        grace_days=30,
        roots_from=None,
        dry_run=True,
        agreed=True,
        jobs=JOBS,
    )
    out = io.StringIO()
    with (
        mock.patch.object(manager, "owner_identity", return_value=credential),
        mock.patch.object(manager, "find_target", return_value=Target(Source(described), None)),
        mock.patch.object(gc_bucket, "Transport", return_value=transport),
        contextlib.redirect_stdout(out),
    ):
        assert session.run(request, as_json=True)
    found: dict[str, object] = json.loads(out.getvalue())
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
