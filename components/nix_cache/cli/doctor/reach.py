"""Is the server there, and where it was said to be; are its certificate and its clock right?"""

import ssl
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from nix_cache.cli.doctor.finding import Finding, error, not_checked, ok, warning
from nix_cache.cli.doctor.subject import Subject
from nix_cache.cli.s3.client import S3Client
from nix_cache.cli.s3.clock import NOTABLE_SKEW, Clocks, http_date
from nix_cache.cli.s3.connections import peer_certificate
from nix_cache.cli.s3.foreign import foreign_answer
from nix_cache.cli.s3.hosts import NoAnswerError
from nix_cache.cli.s3.reply import Reply, origin_of
from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.rights.trials import LIST_QUERIES, NO_BUCKET

CERTIFICATE_WARNING_DAYS = 14
"""Automatic renewals happen 30 days before the end. What is later than this was forgotten."""

_LATENCY_WARNING_SECONDS = 1.0
_TLS_SECONDS = 10.0


def reachable(subject: Subject) -> Iterator[Finding]:
    """Yield whether the server answers where the manifest says."""
    client = subject.reading or subject.anonymous
    try:
        first = client.request("GET", INFO_KEY)
    except NoAnswerError as failure:
        yield _unanswered(client, failure)
        return
    reply = Reply(f"{client.url}/{INFO_KEY}", first.status, first.headers, first.body)
    if foreign := foreign_answer(reply, "GET"):
        yield error(foreign.problem, "reads and pushes fail", foreign.fix)
    elif first.status >= 500:
        yield error(
            f"{client.url} answers {first}",
            "reads and pushes fail",
            "check the server's log and its disk",
        )
    else:
        yield from _storage(subject)
        yield _how_fast(client)


def tls(subject: Subject) -> Iterator[Finding]:
    """Yield whether the line is private, and for how long yet."""
    for url in sorted(
        {origin_of(subject.bucket_url), origin_of((subject.reading or subject.anonymous).url)}
    ):
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            yield _certificate_days(url)
        elif is_loopback(host):
            yield ok(f"{url} is on this machine, where no TLS is needed")
        else:
            yield warning(
                f"{url} is not encrypted",
                "others on the network see what is read and can withhold paths; signatures only "
                "prevent changes",
                "put TLS in front of the server, and set an https:// endpoint in the stack",
            )


def clock(subject: Subject) -> Iterator[Finding]:
    """Yield whether this machine and the server agree on the time."""
    before = time.time()
    answer = (subject.reading or subject.anonymous).request("HEAD", INFO_KEY)
    here = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    there = http_date(answer.headers.get("Date"))
    if there is None:
        yield not_checked("the server's clock", "its answers have no usable date")
        return
    clocks = Clocks(here, there)
    seconds = round(abs(clocks.skew.total_seconds()))
    if abs(clocks.skew) < NOTABLE_SKEW:
        yield ok(f"the clocks of this machine and the server differ by {seconds} s")
        return
    order = "ahead of" if there > here else "behind"
    what = f"the server's clock is {seconds} s {order} this machine's"
    why = "S3 refuses signed requests from 15 minutes on, so pushes and private reads fail"
    fix = f"set both by NTP: {clocks}"
    found = error if clocks.differ_too_much else warning
    yield found(what, why, fix)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine itself."""
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _storage(subject: Subject) -> Iterator[Finding]:
    """Yield whether it is a storage that answers, and has the bucket."""
    answer = subject.anonymous.request("GET", query=LIST_QUERIES["objects"])
    if answer.code == NO_BUCKET:
        yield error(
            f"{origin_of(subject.bucket_url)} has no bucket {subject.manifest.bucket}",
            "the cache does not exist",
            "run `pulumi up`, or correct the stack's endpoint",
        )
    elif answer.status == 401 and not answer.code:
        yield not_checked(
            f"the storage behind {origin_of(subject.bucket_url)}",
            "a server in front of it requires a login, and only Nix itself logs in, by its "
            "netrc-file",
            "run doctor where the storage itself is reached",
        )
    elif answer.status >= 300 and not answer.code:
        yield error(
            f"the server at {subject.bucket_url} is not an S3 storage: {answer}",
            "reads and pushes fail",
            "correct the stack's endpoint, or the proxy in front of the storage",
        )


def _unanswered(client: S3Client, failure: NoAnswerError) -> Finding:
    is_certificate = failure.cause.is_certificate
    return error(
        failure.problem(origin_of(client.url)),
        "Nix refuses the connection" if is_certificate else "reads and pushes fail",
        failure.cause.fix
        or "start the server, or correct the stack's endpoint; check DNS and firewalls",
    )


def _how_fast(client: S3Client) -> Finding:
    def seconds() -> float:
        started = time.monotonic()
        client.request("HEAD", INFO_KEY)
        return time.monotonic() - started

    usual = statistics.median(seconds() for _ in range(3))
    what = f"{client.url} answers within {usual * 1000:.0f} ms"
    if usual < _LATENCY_WARNING_SECONDS:
        return ok(what)
    return warning(
        what,
        "Nix asks for one narinfo per path, some thousands for a system",
        "check the server's load, or put a CDN in front of it",
    )


def _certificate_days(url: str) -> Finding:
    host = urlsplit(url).hostname
    certificate = peer_certificate(url, _TLS_SECONDS)
    if "notAfter" not in certificate:
        return not_checked(f"the certificate of {host}", "the connection did not show it")
    end = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    days = int((end - time.time()) // 86400)
    what = f"the certificate of {host} expires in {days} days"
    if days >= CERTIFICATE_WARNING_DAYS:
        return ok(what)
    return warning(what, "after that, Nix refuses the connection", "check why it was not renewed")
