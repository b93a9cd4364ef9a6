"""The lines of server access logs of AWS S3. Pure.

By https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html a line has at least 18
fields, and may get more at its end. Fields that clients choose are in quotation marks, in which
anything may stand, quotation marks too: what comes after them is found by its form.
"""

import re
from datetime import datetime
from urllib.parse import unquote

from nix_cache.cli.stats.traffic import BucketRequest

LINE_BYTES = 100_000
"""The longest line that is read: keys, URLs and headers have a few kilobytes at most each."""

_LINE = re.compile(
    r"(?P<owner>\S+) (?P<bucket>\S+) \[(?P<time>[^\]]{1,40})\] (?P<address>\S+) "
    r"(?P<requester>\S+) (?P<request_id>\S+) (?P<operation>\S+) (?P<key>\S+) "
    r'(?:"(?P<uri>.*?)"|-) (?P<status>[0-9]{3}|-) (?P<error>[A-Za-z0-9]+|-) '
    r"(?P<sent>[0-9]{1,18}|-) (?P<size>[0-9]{1,18}|-) (?P<total_ms>[0-9]{1,18}|-) "
    r'(?P<turn_around_ms>[0-9]{1,18}|-) (?P<referrer_and_agent>".*"|- -) (?P<version_id>\S+)'
    r"(?P<more>(?: .*)?)",
    re.DOTALL,  # so that no line end makes it try all the ways to end a field
)
_TIME = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2}) \+0000")
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
"""``strptime`` would read them in the language of the user."""

_REQUESTS = frozenset({"REST", "WEBSITE", "SOAP"})
"""How the operations of clients begin. Others are of S3 itself, such as expiry, or one of the many
deletions of a single request."""

_ANONYMOUS = frozenset({"-", "Anonymous"})
_UPLOADS = frozenset({"PUT", "POST"})
_IDENTITY = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::[0-9]*:(?P<kind>[a-z-]+)/(?P<name>.+)")
_LONGEST_CLIENT = 200


def time_text(time: datetime) -> str:
    """Return a time in UTC as the requests have it, so that texts compare as times do."""
    return f"{time.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def logged_request(line: bytes, bucket: str) -> BucketRequest | None:
    """Read a line of an access log.

    Args:
        line: the line, without its end.
        bucket: the name of the cache's bucket.

    Returns:
        the request; None if it is about another bucket, or not a request of a client.

    Raises:
        ValueError: the line is not that of an access log. The message is a clause without a
            subject, and has nothing of the line.
    """
    if len(line) > LINE_BYTES:
        raise ValueError(f"is longer than {LINE_BYTES:,} bytes")
    found = _LINE.fullmatch(line.decode(errors="replace"))
    if found is None:
        raise ValueError("does not have the fields of an access log")
    time = _utc(found["time"])
    protocol, _, operation = found["operation"].partition(".")
    if found["bucket"] != bucket or protocol not in _REQUESTS:
        return None
    method = operation.partition(".")[0]
    is_anonymous = found["requester"] in _ANONYMOUS
    client = found["address"] if is_anonymous else _identity(found["requester"])
    return BucketRequest(
        time=time,
        client=client[:_LONGEST_CLIENT],
        is_anonymous=is_anonymous,
        method=method,
        key="" if found["key"] == "-" else unquote(found["key"]),
        status=_number(found["status"]),
        sent_bytes=_number(found["sent"]),
        received_bytes=_number(found["size"]) if method in _UPLOADS else 0,
    )


def _utc(text: str) -> str:
    """Return the time of a line as ``time_text`` does.

    Raises:
        ValueError: there is no such time.
    """
    parts = _TIME.fullmatch(text)
    if parts is None or parts[2] not in _MONTHS:
        raise ValueError("has no time in UTC, such as [06/Feb/2019:00:00:38 +0000]")
    day, _, year, hour, minute, second = parts.groups()
    month = _MONTHS.index(parts[2]) + 1
    try:
        time = datetime(int(year), month, int(day), int(hour), int(minute), int(second))
    except ValueError:
        raise ValueError("has a time that does not exist") from None
    return time_text(time)


def _identity(requester: str) -> str:
    """Return the name of a user or role, of all sessions of a role together; else what stands."""
    arn = _IDENTITY.fullmatch(requester)
    if arn is None:
        return requester
    if arn["kind"] == "assumed-role":
        return arn["name"].partition("/")[0]
    return arn["name"].rpartition("/")[2]


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)
