"""`nix-cache gc` over the life of generated caches, with the rights of the janitor.

What happens while a collection runs is in `test_gc_model.py`, `test_push_beside_gc.py` and
`test_pin_beside_gc.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, Phase, given, settings

from nix_cache.cli.s3.reply import Reply
from nix_cache.iam.access import janitor_policy
from tests.fakes.iam_evaluation import Decision, Request, decide
from tests.unit.cli.cache_history import Scenario, histories
from tests.unit.cli.collected_cache import INFO, MANIFEST, CollectedCache
from tests.unit.cli.s3_double import DoubleTransport, Held, S3Double
from tests.unit.cli.test_resign import SignedCache

POLICY = janitor_policy(MANIFEST.bucket, versioned=False)


class JanitorTransport(DoubleTransport):
    """A transport of the janitor: the storage refuses what its policy does not allow."""

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: Any
    ) -> Reply:
        for action, resource in _needed_rights(method, url, body):
            request = Request(action, f"arn:aws:s3:::{resource}")
            assert decide(POLICY, request) is Decision.ALLOWED, f"the janitor may not {request}"
        return super().exchange(method, url, headers, body, kind)


def _needed_rights(method: str, url: str, body: bytes | None) -> list[tuple[str, str]]:
    """Return the actions that a request needs, each with the bucket or the object."""
    parts = urlsplit(url)
    place = unquote(parts.path.removeprefix("/"))
    bucket, _, key = place.partition("/")
    query = parse_qs(parts.query, keep_blank_values=True)
    match method, bool(key):
        case "GET" | "HEAD", True:
            return [("s3:GetObject", place)]
        case "GET", False if "list-type" in query:
            return [("s3:ListBucket", bucket)]
        case "GET", False if "versioning" in query:
            return [("s3:GetBucketVersioning", bucket)]
        case "PUT", True:
            return [("s3:PutObject", place)]
        case "POST", False if "delete" in query:
            keys = [
                one.text for one in ET.fromstring(body or b"").iter() if one.tag.endswith("Key")
            ]
            return [("s3:DeleteObject", f"{bucket}/{one}") for one in keys]
    raise AssertionError(f"it is not known what {method} {url} needs")


@dataclass
class MemoryPlace:
    """A storage in memory, whose clock is set.

    Attributes:
        time: the true time.
        storage: the storage.
    """

    time: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    storage: S3Double = field(init=False)

    def __post_init__(self) -> None:
        self.storage = S3Double(MANIFEST.bucket, clock=lambda: self.time)
        self.storage.put("nix-cache-info", INFO)

    def put(self, key: str, content: bytes) -> None:
        """Put an object. Each step of a writer takes a minute."""
        self.time += timedelta(minutes=1)
        self.storage.put(key, content)

    def delete(self, key: str) -> None:
        """Delete an object that may be there."""
        self.storage.objects.pop(key, None)

    def objects(self) -> Mapping[str, Held]:
        """Return what is there."""
        return dict(self.storage.objects)

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def wait(self, days: float) -> None:
        """Set the clock."""
        self.time += timedelta(days=days)

    def collect(self, roots: Sequence[str]) -> tuple[datetime, dict[str, Any]]:
        """Collect with the janitor's rights."""
        self.time += timedelta(minutes=1)
        with TemporaryDirectory() as folder:
            cache = CollectedCache(self.storage, connect=JanitorTransport)
            done = cache.collect(roots=roots, folder=Path(folder))
        assert done.well
        return self.time, done.result

    def resign(self) -> None:
        """Sign as the owner."""
        self.time += timedelta(minutes=1)
        assert SignedCache(self.storage).resign().well


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)
@given(histories())
def test_each_collection_keeps_exactly_what_the_history_asks_for(
    scenario: Scenario,
) -> None:
    """Pushes, pins, unpins, re-signing and lost paths, and several collections between them."""
    scenario.run(MemoryPlace())
