"""Lists, reads or collects a cache once, and prints how many seconds and bytes it took.

`python -m bench.collecting_run DOCUMENT` is what `bench.collecting` measures. It imports nothing
that `nix-cache gc` does not.
"""

import contextlib
import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO
from unittest import mock

from bench.collecting_report import CollectingWay
from bench.simulated_cache import Paths, SimulatedTransport
from nix_cache.cli.caches import manager
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.gc import session as gc_session
from nix_cache.cli.inventory import bucket as inventory_bucket
from nix_cache.cli.inventory.listing import Listing
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.options import GRACE_DAYS, JOBS, MOST_DAYS
from nix_cache.cli.remove import session as remove_session
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.stats import session as stats_session
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
    began, peak_bytes = time.monotonic(), 0
    match way:
        case CollectingWay.FLOOR:
            assert _listed_and_read(client) == narinfos
        case CollectingWay.LISTING:
            assert len(_listed(client, "nar/")) == narinfos
            assert len(_listed(client, "")) == narinfos + 1
        case _:
            with _served(described, credential, transport) as out:
                _run(way, Paths(narinfos).name(narinfos - 1))
                peak_bytes = _peak_bytes()
                out.seek(0)
                _require_done(way, out.read(), narinfos)
    seconds = time.monotonic() - began
    processor = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processorSeconds": processor.ru_utime + processor.ru_stime,
                "peakBytes": peak_bytes,
            }
        )
    )
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


@contextlib.contextmanager
def _served(described: Manifest, credential: Credential, transport: Transport) -> Iterator[IO[str]]:
    """Let commands find a cache; yields what they print, which is no memory of theirs."""
    target = Target(Source(described), None)
    with (
        tempfile.TemporaryFile("w+", encoding="ascii") as out,
        mock.patch.object(manager, "owner_identity", return_value=credential),
        mock.patch.object(manager, "find_target", return_value=target),
        mock.patch.object(inventory_bucket, "Transport", return_value=transport),
        contextlib.redirect_stdout(out),
    ):
        yield out


def _run(way: CollectingWay, name: str) -> None:
    """Run a command.

    Args:
        way: which one.
        name: the hash of the path that is removed.
    """
    match way:
        case CollectingWay.REMOVE:
            removal = remove_session.RemovalRequest(
                cache=None,
                project=None,
                owner="owner",
                paths=(name,),
                signed_by=None,
                since=None,
                with_dependents=True,
                dry_run=False,
                agreed=True,
                jobs=JOBS,
            )
            assert remove_session.run(removal, as_json=True)
        case CollectingWay.STATS:
            wanted = stats_session.StatsRequest(
                cache=None,
                project=None,
                owner="owner",
                prices=None,
                prometheus=None,
                jobs=JOBS,
                older_than_days=30,
            )
            stats_session.run(wanted, as_json=True)
        case _:
            deletes = way is CollectingWay.SWEEP
            request = gc_session.CollectionRequest(
                cache=None,
                project=None,
                owner="owner",
                older_than_days=1 if deletes else MOST_DAYS,
                grace_days=0 if deletes else GRACE_DAYS,
                roots_from=None,
                dry_run=not deletes,
                agreed=True,
                jobs=JOBS,
            )
            assert gc_session.run(request, as_json=True)


def _require_done(way: CollectingWay, printed: str, narinfos: int) -> None:
    """Make sure that a command did what is measured."""
    match way:
        case CollectingWay.GC | CollectingWay.GC_AGAIN:
            assert json.loads(printed)["kept"] == {"narinfos": narinfos}
        case CollectingWay.SWEEP:
            found = json.loads(printed)
            assert len(found["narinfos"]) == len(found["nars"]) == narinfos
        case CollectingWay.REMOVE:
            assert len(json.loads(printed)["narinfos"]) > 1
        case CollectingWay.STATS:
            assert json.loads(printed)["paths"] == narinfos


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
