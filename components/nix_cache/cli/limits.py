"""Every limit of the client in time and memory. ``docs/reference/limits.md`` shows them as tables.

How to use it:

- Requests go through ``Transport`` (``cli/s3/transport.py``), those of botocore for credentials too
  (``cli/s3/aws_session.py``). It enforces the times below, and the size of each body.
- Compare the size in a listing with ``body_limit`` before reading an object.
- Undo a Content-Encoding with ``decoded`` (``cli/s3/content_encoding.py``), never without a limit.
- Iterate over pages of a listing with ``checked_pages`` (``cli/s3/listing.py``).
- Work on many objects at once with ``in_parallel`` (``cli/machine/parallel.py``): it holds few
  results at a time, and Ctrl-C does not wait for its threads.
- Run other programs with ``run`` (``cli/machine/child.py``).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TimeLimits:
    """Limits of requests in time. Tests make them small.

    Attributes:
        unanswered_seconds: after which a host that has not answered in this run is given up. Name
            resolution, all of its addresses, TLS and all retries are included.
        stalled_seconds: after which a request to a host that has answered is given up: a small
            answer has to be complete by then, a large one has to progress.
        first_byte_seconds: after which one try of a request is given up and another one made.
        connect_seconds: for one address of a host.
        retry_after_seconds: the longest wait between two tries, whatever ``Retry-After`` says.
        backoff_seconds: the wait before the second try, doubled before each further one.
        tries: of one request.
        progress_bytes: what has to arrive of a large answer within ``stalled_seconds``.
        stalled_requests: so many requests given up for lack of progress, and the host is given up.
        slow_requests: likewise for complete answers that took more than half of
            ``stalled_seconds``.
    """

    unanswered_seconds: float = 12.0
    stalled_seconds: float = 60.0
    first_byte_seconds: float = 30.0
    connect_seconds: float = 8.0
    retry_after_seconds: float = 10.0
    backoff_seconds: float = 0.2
    tries: int = 4
    progress_bytes: int = 1_000_000
    stalled_requests: int = 3
    slow_requests: int = 20


TIMES = TimeLimits()

NARINFO_BYTES = 1_000_000
"""About 17,000 references. A narinfo with 10,000 of them has half a megabyte."""

INFO_BYTES = 64_000
MANIFEST_BYTES = 1_000_000
LEDGER_BYTES = 20_000_000
"""About 180,000 NARs without a narinfo. On Spaces and B2, writers can write it too."""

ROOT_RECORD_BYTES = 20_000_000
"""About 550,000 paths of one push."""

TRACE_LINE_BYTES = 1_000_000
"""What a server reports of one request: its headers, and documents such as a page of a listing. One
that is longer is not shown."""

OBJECT_BYTES = 1_000_000
"""Any other object that is read as a whole."""

ERROR_BYTES = 64_000
"""What is kept of an error document. The rest is dropped."""

PAGE_BYTES = 4_000_000
"""One page of a listing: 1,000 keys of 1,024 bytes, percent-encoded."""

LISTED_OBJECTS = 500_000
"""Objects in one listing, such as that of all NARs. Each takes some 400 bytes of memory."""

COLLECTED_OBJECTS = 2_000_000
"""Objects in one listing of what holds them as columns, as `nix-cache gc` does: NARs, for example.
Each takes some 100 bytes of memory."""

LISTED_OBJECTS_VARIABLE = "NIX_CACHE_LISTED_OBJECTS"
"""An environment variable with another limit, for a larger bucket and enough memory."""

LISTING_SECONDS = 1000.0
"""One listing with all of its pages; longer where that variable allows more objects."""

EMPTY_PAGES = 100
"""Pages in a row that name no object, although more are promised."""

NAR_DECODER_BYTES = 140_000_000
"""Memory of the decompressor of a NAR, such as the dictionary of ``xz`` or the window of ``zstd``:
``zstd --ultra -22`` needs 128 MiB. One such decompressor at a time."""

ENCODING_DECODER_BYTES = 20_000_000
"""Memory of a decompressor that undoes a Content-Encoding. ``xz`` needs 9 MB unless a level above 6
is chosen."""

PROGRAM_BYTES = 64_000_000
"""What is read from another program's standard output."""

PROGRAM_ERROR_BYTES = 1_000_000
"""What is kept of another program's standard error."""

PROGRAM_SECONDS = 600.0
"""One run of Nix that reads the local store."""

STACK_SECONDS = 120.0
"""Reading the outputs of a stack."""

DOCUMENT_BYTES = 4_000_000
"""The outputs of a stack, a file or standard input: a few hundred kilobytes at most."""

INTERRUPT_SECONDS = 0.7
"""After which an interrupted command ends even if something in it still blocks."""

_NARINFO_KEY = re.compile(r"[^/]*\.narinfo")
_LEDGER_PREFIX = "nix-cache-gc"


@dataclass(frozen=True)
class LimitKind:
    """A kind of body.

    Attributes:
        name: as messages name it.
        most_bytes: the largest that is read.
    """

    name: str
    most_bytes: int


NARINFO = LimitKind("narinfo", NARINFO_BYTES)
INFO = LimitKind("nix-cache-info", INFO_BYTES)
MANIFEST = LimitKind("manifest", MANIFEST_BYTES)
LEDGER = LimitKind("ledger of `nix-cache gc`", LEDGER_BYTES)
ROOT_RECORD = LimitKind("root record", ROOT_RECORD_BYTES)
OBJECT = LimitKind("object", OBJECT_BYTES)
PAGE = LimitKind("page of a listing", PAGE_BYTES)


def body_limit(key: str) -> LimitKind:
    """Return the kind of an object, with the most bytes that are read of it.

    Args:
        key: the object's; empty for the bucket itself, which answers with a page of a listing.
    """
    if _NARINFO_KEY.fullmatch(key):
        return NARINFO
    from nix_cache.formats.cache_info import INFO_KEY
    from nix_cache.formats.manifest import MANIFEST_KEY  # these imports take a while
    from nix_cache.formats.own_objects import ROOTS_PREFIX

    if not key:
        return PAGE
    if key == INFO_KEY:
        return INFO
    if key == MANIFEST_KEY:
        return MANIFEST
    if key.startswith(_LEDGER_PREFIX):
        return LEDGER
    if key.startswith(ROOTS_PREFIX):
        return ROOT_RECORD
    return OBJECT


def listed_objects(environment: Mapping[str, str] = os.environ) -> int:
    """Return the most objects in one listing; a larger number if the environment has one."""
    text = environment.get(LISTED_OBJECTS_VARIABLE, "").strip()
    number = int(text) if re.fullmatch("[0-9]{1,12}", text) else 0
    return max(LISTED_OBJECTS, number)


class TooLargeError(ValueError):
    """A body is larger than its limit. The message is a clause without a subject."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(f"is larger than {most_bytes:,} bytes")
        self.most_bytes = most_bytes
