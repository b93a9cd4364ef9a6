"""What is in a bucket, and what the storage answers."""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nix_cache.cli.doctor import expiry
from nix_cache.cli.errors import ClientError
from nix_cache.cli.hook.queue import Queue
from nix_cache.cli.inventory import listing, reading
from nix_cache.cli.inventory.ledger import Ledger, ledger_content
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.nix.store_paths import hashes_in
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.credentials import Credential
from nix_cache.cli.s3.errors import StorageError
from nix_cache.cli.s3.messages import Requester, explain
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.s3.transport import Transport
from nix_cache.formats.nar_url import NarUrl
from tests.fuzz.target import Shape, Target
from tests.fuzz.targets.narinfos import SEEDS as NARINFOS
from tests.fuzz.targets.narinfos import TOKENS
from tests.unit.cli.client_caches import KEY, manifest

_FOLDER = tempfile.TemporaryDirectory(prefix="nix-cache-fuzz-")
_HASH = "w9yy7v61ipb5rx6i35zq1mvc2iqfmps1"
_NOTED = ledger_content({"nar/x.nar.xz": datetime(2026, 11, 1, tzinfo=UTC)})
_LIFECYCLE = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Rule><ID>expire-0</ID><Status>Enabled</Status><Filter><Prefix>0</Prefix></Filter>
<Expiration><Days>30</Days></Expiration></Rule>
<Rule><ID>expire-nar</ID><Status>Enabled</Status><Filter><And><Prefix>nar/</Prefix>
<Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>
<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule>
</LifecycleConfiguration>
"""
_LISTING = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
<Prefix>nar/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>
<Contents><Key>nar/a.nar.xz</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>
<ETag>&#34;00000000000000000000000000000000&#34;</ETag><Size>12</Size></Contents>
<Contents><Key>nar/b.nar.xz</Key><LastModified>2026-11-02T00:00:00.000Z</LastModified>
<ETag>&#34;00000000000000000000000000000001&#34;</ETag><Size>0</Size></Contents>
</ListBucketResult>
"""
_DENIED = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AccessDenied</Code><Message>Access Denied.</Message><BucketName>b</BucketName>
<RequestId>1</RequestId></Error>
"""


class _Answering(Transport):
    """Answers requests without a network."""

    answer = (200, b"")

    def exchange(self, method: str, url: str, *_: Any, **__: Any) -> Reply:
        """Return the answer that was set."""
        status, body = self.answer
        return Reply(url, status, {"Content-Type": "application/xml"}, body)


_STORAGE = _Answering()
_CLIENT = S3Client.of(manifest(), Credential(access_key_id="a", secret_access_key="b"), _STORAGE)
_OWNER = Requester("owner", "https://s3.example.org", "b")


def _check_ledger(data: bytes) -> bool:
    try:
        found = Ledger.parse(data)
    except (ValueError, ClientError):
        return False
    assert Ledger.parse(found.model_dump_json().encode()) == found
    found.since(PackedObjects.of({"nar/x.nar.xz": Stored("nar/x.nar.xz", 1, None)}))
    return True


def _check_lifecycle(data: bytes) -> bool:
    """Judge the lifecycle of a bucket, as the client reads it."""
    _STORAGE.answer = 200, data
    try:
        rules = _CLIENT.lifecycle()
    except StorageError:
        return False
    found = list(expiry.expiries(rules))
    for finding in expiry.judged(found, 30):
        assert finding.what
    return bool(found)


def _listed() -> list[Stored]:
    pages = listing.Listing(_CLIENT, "b", 1).objects("nar/", list, lambda _: None)
    return [stored for page in pages for stored in page]


def _check_listing(data: bytes) -> bool:
    _STORAGE.answer = 200, data
    try:
        objects = _listed()
    except ClientError as mistake:
        assert mistake.fix
        return False
    except StorageError:
        return False
    for stored in objects:
        assert stored.key.startswith("nar/")
        assert stored.size >= 0
        assert stored.written is None or stored.written.year < 3000
    assert len({stored.key for stored in objects}) == len(objects)
    return bool(objects)


def _check_refusal(data: bytes) -> bool:
    """Explain an error of the storage, whatever its status."""
    explained = 0
    for status in (400, 403, 404, 503):
        _STORAGE.answer = status, data
        try:
            _CLIENT.page()
        except StorageError as failure:
            shown = explain(failure, _OWNER, "list")
            assert shown.problem
            assert shown.fix
            explained += 1
    return explained == 4


def _check_read_narinfo(data: bytes) -> bool:
    """Read a narinfo as `nix-cache gc` does, which has to be sure of it."""
    stored = Stored(f"{_HASH}.narinfo", len(data), datetime(2026, 11, 1, tzinfo=UTC), "e")
    entry = reading.read(stored, reading.Received(data, "e", ""), (KEY.public_text,))
    assert (entry.fault is None) == (entry.url is not None)
    if entry.fault is not None:
        assert not entry.references
        assert "\n" not in entry.fault
    return entry.fault is None


def _check_nar_url(data: bytes) -> bool:
    url = NarUrl.parse(data.decode(errors="surrogateescape"))
    assert url.key is None or not url.key.startswith("/")
    return url.key is not None


def _check_store_paths(data: bytes) -> bool:
    path = Path(_FOLDER.name) / "paths"
    path.write_bytes(data)
    try:
        hashes = hashes_in(path)
    except ClientError as mistake:
        assert mistake.fix
        return False
    assert all(len(found) == 32 and found.encode() in data for found in hashes)
    words = data.decode("utf-8-sig").replace("\0", " ").split()
    assert len(hashes) == len({*hashes})
    assert bool(hashes) == bool(words)
    return bool(hashes)


def _check_queue(data: bytes) -> bool:
    """Read a queue in whose folder each line is a link: name, blank, target."""
    folder = Path(tempfile.mkdtemp(dir=_FOLDER.name))
    queue = Queue(folder, "/nix/store")
    queue.links.mkdir()
    for line in data.split(b"\n")[:20]:
        name, _, target = line.partition(b" ")
        link = os.path.join(os.fsencode(queue.links), name)  # noqa: PTH118 - names may be any bytes
        if name and target and b"/" not in name and b"\0" not in line and len(line) < 200:
            try:
                os.symlink(target, link)  # noqa: PTH211
            except OSError:
                continue
    (folder / "error").write_bytes(data)
    paths = queue.paths()
    assert all(path.encode().startswith(b"/nix/store/") for path in paths)
    assert all("; remove it from the queue" in fault for fault in queue.faults())
    assert queue.last_error is None or isinstance(queue.last_error, str)
    return bool(paths)


_ELEMENTS = (
    b"<Rule></Rule>",
    b"<Contents></Contents>",
    b"<CommonPrefixes><Prefix>nar/</Prefix></CommonPrefixes>",
    b"<NextContinuationToken>x</NextContinuationToken>",
    b"<IsTruncated>true</IsTruncated>",
    b"<LastModified>9999-12-31T23:59:59.999Z</LastModified>",
    b"<Size>-1</Size>",
    b"<Key>nar/%2e%2e/nix-cache-info</Key>",
    b"<Key>nar/&#10;x</Key>",
    b"<EncodingType>url</EncodingType>",
    b"<Code><Code/></Code>",
    b"<Status>Enabled</Status>",
    b"<Expiration><Days>1</Days></Expiration>",
    b"<Expiration><Date>9999-12-31T23:59:59Z</Date></Expiration>",
    b"<Filter/>",
    b"<And/>",
    b"<Prefix/>",
    b"<Transition><Days>1</Days></Transition>",
    b"<html><body>502</body></html>",
)
_PATH = f"/nix/store/{_HASH}-hello-2.10".encode()

TARGETS = (
    Target("ledger", _check_ledger, (_NOTED,), Shape.JSON),
    Target("lifecycle", _check_lifecycle, (_LIFECYCLE,), Shape.XML, tokens=_ELEMENTS),
    Target("listing", _check_listing, (_LISTING,), Shape.XML, tokens=_ELEMENTS),
    Target(
        "storage-error",
        _check_refusal,
        (_DENIED, _DENIED.replace(b"AccessDenied", b"NoSuchBucket")),
        Shape.XML,
        tokens=_ELEMENTS,
    ),
    Target("narinfo-in-gc", _check_read_narinfo, NARINFOS[:1], tokens=TOKENS),
    Target(
        "nar-url",
        _check_nar_url,
        (b"nar/15zk4zszw9lgkdkkwy7w11m5vag11n5dhv2i6hj308qpxczvdddx.nar.xz", b"nar/a.nar.zst"),
        tokens=(b"..", b"/", b"%2f", b"%", b"?", b"#", b"//", b"https://a/b", b"[", b"\\"),
    ),
    Target(
        "store-paths",
        _check_store_paths,
        (_PATH + b"\n" + _PATH + b"-doc \t" + _PATH + b"\0", b"\xef\xbb\xbf" + _PATH + b"\r\n"),
        tokens=(b"\0", b"\x0b", b"'", b",", b".drv!out", b"/bin/hello", b"~"),
    ),
    Target(
        "queue",
        _check_queue,
        (_PATH[11:] + b" " + _PATH + b"\nother /nix/store/x\n",),
        tokens=(b" ", b"../..", b"\xff ", _PATH),
    ),
)
