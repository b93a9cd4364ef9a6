"""What `nix-cache stats --traffic` reads and prints. `tests/engine` runs it on AWS's fake."""

import contextlib
import io
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nix_cache.cli.caches.manager import Manager
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.limits import LimitKind
from nix_cache.cli.s3.reply import Reply
from nix_cache.cli.stats import log_session, prometheus
from nix_cache.cli.stats.access_log import LINE_BYTES, logged_request
from nix_cache.cli.stats.log_objects import _lines
from nix_cache.cli.stats.traffic import OTHER_USERS, OTHERS, MostUsed, TrafficSum
from tests.unit.cli.access_log_lines import OWNER, READER, log_line
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.collected_cache import CREDENTIAL, base_name, nar_key, narinfo, narinfo_key
from tests.unit.cli.s3_double import Answer, DoubleTransport, S3Double

BUCKET, LOGS = "team-cache", "team-cache-logs"
FOUND = log_line("x.narinfo", sent=612)
ABSENT = log_line("y.narinfo", status=403, error="AccessDenied", sent=243, address="192.0.2.9")
NAR = log_line("nar/x.nar.zst", requester=READER, sent=1_000_000, size=1_000_000)
FAILED = log_line("nar/y.nar.zst", status=503, error="SlowDown", requester=READER)
PUT = log_line("z.narinfo", operation="REST.PUT.OBJECT", requester=READER, size=700)


def added(*lines: bytes) -> TrafficSum:
    """Return what some lines add up to."""
    traffic = TrafficSum()
    for line in lines:
        if (request := logged_request(line, BUCKET)) is not None:
            traffic.add(request)
    return traffic


def test_a_line_has_who_read_what_and_when() -> None:
    request = logged_request(NAR, BUCKET)

    assert request is not None
    assert (request.time, request.client) == ("2019-11-26T08:00:00Z", "team-cache-nixreader")
    assert (request.method, request.key) == ("GET", "nar/x.nar.zst")
    assert (request.status, request.sent_bytes, request.is_anonymous) == (200, 1_000_000, False)


@pytest.mark.parametrize(
    ("requester", "client"),
    [
        ("-", "192.0.2.3"),
        ("Anonymous", "192.0.2.3"),
        (READER, "team-cache-nixreader"),
        ("arn:aws:iam::123456789012:user/nix-cache/ops", "ops"),
        ("arn:aws:sts::123456789012:assumed-role/team-cache-ci/GitHubActions", "team-cache-ci"),
        ("svc:cloudfront.amazonaws.com", "svc:cloudfront.amazonaws.com"),
        (OWNER, OWNER),
    ],
)
def test_clients_are_users_roles_or_addresses(requester: str, client: str) -> None:
    request = logged_request(log_line("x.narinfo", requester=requester), BUCKET)

    assert request is not None
    assert request.client == client
    assert request.is_anonymous == (client == "192.0.2.3")


@pytest.mark.parametrize(
    "line",
    [
        log_line("x.narinfo", more=""),
        log_line("x.narinfo", more=" - - - - - - - - eu-central-1 a-field-of-next-year"),
        log_line("x.narinfo", agent='Nix "quoted" - - 1'),
        log_line("x.narinfo", uri='GET /x" y HTTP/1.1'),
        log_line("x.narinfo", agent=""),
        log_line("x.narinfo").replace(b'"GET /x HTTP/1.1"', b"-"),
        log_line("x.narinfo", agent="\x1b[31m\xff"),
    ],
)
def test_fields_at_the_end_and_quotation_marks_of_clients_change_nothing(line: bytes) -> None:
    request = logged_request(line, BUCKET)

    assert request is not None
    assert (request.key, request.status, request.is_found_narinfo) == ("x.narinfo", 200, True)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "the fields"),
        (b"\xff\xfe\x00", "the fields"),
        (b"<html>", "the fields"),
        (NAR[:200], "the fields"),
        (NAR.replace(b" 200 ", b" OK "), "the fields"),
        (NAR.replace(b"1000000", b"-5", 1), "the fields"),
        (NAR.replace(b"[", b"", 1), "the fields"),
        (NAR.replace(b"+0000", b"+0200"), "no time in UTC"),
        (NAR.replace(b"Nov", b"Nop"), "no time in UTC"),
        (NAR.replace(b"26/Nov", b"31/Nov"), "a time that does not exist"),
        (NAR + b" x" * LINE_BYTES, "is longer than"),
    ],
)
def test_a_line_that_is_not_of_an_access_log_is_one_error(line: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        logged_request(line, BUCKET)


@pytest.mark.parametrize("end", ["", "\n", ' "', '" '])
@pytest.mark.parametrize(
    "part", ['"', '" 200 - 1 1 1 1 "', '" 200 - 1 1 1 1 ', '" 200 - - - - - "" ', " "]
)
def test_a_hostile_line_takes_no_longer_than_another_one(part: str, end: str) -> None:
    """A client may send whatever looks like the fields after its own."""
    uri = part * (90_000 // len(part)) + end
    line = log_line("x", uri=uri).partition(b'" 200 - - - 7')[0]
    started = time.process_time()
    with contextlib.suppress(ValueError):
        logged_request(line, BUCKET)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "line",
    [
        log_line("x", bucket="other"),
        log_line("x", operation="S3.EXPIRE.OBJECT", status="-", uri="-"),
        log_line("x", operation="BATCH.DELETE.OBJECT", status=204),
    ],
)
def test_what_no_client_asked_of_the_bucket_does_not_count(line: bytes) -> None:
    assert logged_request(line, BUCKET) is None


def test_requests_add_up_by_kind_and_by_reader() -> None:
    traffic = added(FOUND, ABSENT, NAR, FAILED, PUT)
    total, reader = traffic.total, traffic.by_client["team-cache-nixreader"]

    assert (total.requests, total.sent_bytes, total.received_bytes) == (5, 1_000_855, 700)
    assert (total.found_narinfos, total.absent_narinfos, total.hit_rate) == (1, 1, 0.5)
    assert (total.nar_downloads, total.nar_bytes, total.errors) == (1, 1_000_000, 1)
    assert dict(traffic.errors) == {503: 1}
    assert (traffic.anonymous.requests, traffic.anonymous.sent_bytes) == (2, 855)
    assert (reader.requests, reader.is_anonymous, reader.hit_rate) == (3, False, None)
    assert set(traffic.by_client) == {"192.0.2.3", "192.0.2.9", "team-cache-nixreader"}


def test_a_scan_from_many_addresses_leaves_users_their_names() -> None:
    scan = (log_line("x.narinfo", address=f"2001:db8::{one:x}") for one in range(1100))
    traffic = added(*scan, NAR)

    assert traffic.by_client[OTHERS].requests == 100
    assert traffic.by_client["team-cache-nixreader"].requests == 1
    assert OTHER_USERS not in traffic.by_client


def test_what_is_read_most_is_kept_within_bounds() -> None:
    used = MostUsed(most_keys=10)
    for number in range(1000):
        used.add("popular", 50)
        used.add(f"once-{number}", 1)

    first, *others = used.largest(5)
    assert (first.key, first.requests, first.sent_bytes) == ("popular", 1000, 50_000)
    assert {one.requests for one in others} == {1}
    assert len(used._counts) <= 20


def test_what_is_read_often_and_what_is_read_in_bulk_differ() -> None:
    often = added(FOUND, FOUND, log_line("large.narinfo", sent=90_000))
    assert [one.key for one in often.narinfos.largest(2)] == ["x.narinfo", "large.narinfo"]
    bulk = added(NAR, *[log_line("nar/small.nar", sent=10)] * 3)
    assert [one.key for one in bulk.nars.largest(2)] == ["nar/x.nar.zst", "nar/small.nar"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_lines_are_the_same_however_an_object_arrives(size: int) -> None:
    content = b"first\n\nsecond\nwithout an end"
    chunks = (content[start : start + size] for start in range(0, len(content), size))

    assert [line for lines in _lines(chunks) for line in lines] == content.split(b"\n")


def test_a_line_without_end_takes_no_more_memory_than_a_line_may_have() -> None:
    [[line]] = _lines(b"x" * 65_536 for _ in range(100))
    assert len(line) == LINE_BYTES + 1


class TwoBuckets(DoubleTransport):
    """A transport that reaches a cache's bucket and that of its logs."""

    def __init__(self, logs: S3Double, cache: S3Double) -> None:
        super().__init__(logs)
        self._buckets = {f"/{one.bucket}": one for one in (logs, cache)}

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: Any, kind: LimitKind
    ) -> Reply:
        name = "/" + url.partition("://")[2].split("/")[1].partition("?")[0]
        return self._buckets[name].exchange(method, url, headers, body, kind)


@pytest.fixture
def logs() -> S3Double:
    """Provide a bucket with the logs of two days; the double lists three keys on a page."""
    bucket = S3Double(LOGS, page=3)
    bucket.put("access-logs/2019-11-25-23-59-59-A", FOUND + b"\n")
    bucket.put("access-logs/2019-11-26-09-00-00-B", b"\n".join([FOUND, ABSENT, NAR, b""]))
    bucket.put(
        "access-logs/2019-11-26-10-00-00-C",
        b"\n".join([FAILED, log_line("x.narinfo", time="25/Nov/2019:23:59:59 +0000"), b"<html>"]),
    )
    bucket.put("access-logs/2019-11-26-11-00-00-D", b"")
    late = log_line("late.narinfo", time="26/Nov/2019:23:59:59 +0000", requester=READER)
    bucket.put("access-logs/2019-11-27-05-00-00-E", late)
    bucket.put("access-logs/2019-11-29-05-00-00-F", FOUND)
    bucket.put("other/2019-11-26-09-00-00-G", FOUND)
    return bucket


@contextlib.contextmanager
def served(logs: S3Double, cache: S3Double | None = None, **changes: Any) -> Iterator[None]:
    """Let the command find a cache on AWS."""
    facts = {
        "backend": "aws",
        "bucket": BUCKET,
        "accessLogs": {"bucket": LOGS, "prefix": "access-logs/"},
        **changes,
    }
    target = Target(Source(manifest(**facts)), None)
    transport = TwoBuckets(logs, cache or S3Double(BUCKET))
    with (
        mock.patch.object(
            log_session, "find_manager", return_value=Manager(target, CREDENTIAL, "owner")
        ),
        mock.patch.object(log_session, "Transport", return_value=transport),
    ):
        yield


def printed(*, as_json: bool = True, **wishes: Any) -> tuple[str, str]:
    """Run the command for one day; returns standard output and standard error."""
    day = {"since": "2019-11-26T00:00Z", "until": "2019-11-27T00:00Z"}
    given: dict[str, Any] = {"owner": "owner", "prometheus": None, **day, **wishes}
    request = log_session.TrafficRequest(cache=None, project=None, jobs=3, **given)
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(log_session, "datetime", mock.Mock(now=lambda _: NOW)),
    ):
        log_session.run(request, as_json=as_json)
    return out.getvalue(), err.getvalue()


NOW = datetime(2019, 11, 27, 6, tzinfo=UTC)


def test_the_requests_of_a_day_are_read_from_what_was_delivered_until_a_day_later(
    logs: S3Double,
) -> None:
    with served(logs):
        out, err = printed()
    result = json.loads(out)

    assert (result["since"], result["until"]) == ("2019-11-26T00:00:00Z", "2019-11-27T00:00:00Z")
    assert result["logObjects"] == 4
    assert (result["requests"], result["foundNarinfos"], result["absentNarinfos"]) == (5, 2, 1)
    assert (result["narDownloads"], result["narBytes"]) == (1, 1_000_000)
    assert result["errorsByStatus"] == {"503": 1}
    assert result["byClient"]["team-cache-nixreader"]["requests"] == 3
    assert result["byClient"]["192.0.2.9"]["isAnonymous"]
    assert result["unreadableLines"] == 1
    [unreadable] = result["unreadable"]
    assert (unreadable["object"], unreadable["line"]) == ("access-logs/2019-11-26-10-00-00-C", 3)
    assert "C, line 3: does not have the fields of an access log" in err
    assert "not complete" in err


def test_the_table_names_readers_and_paths(logs: S3Double) -> None:
    """The path of a NAR comes from the narinfo that clients asked for before."""
    cache = S3Double(BUCKET)
    cache.put(narinfo_key(1), narinfo(1))
    logs.put(
        "access-logs/2019-11-26-12-00-00-H",
        b"\n".join(
            [
                log_line(narinfo_key(1), sent=9, requester=READER),
                log_line(nar_key(1), sent=2_000_000, requester=READER),
            ]
        ),
    )
    with served(logs, cache):
        out, _ = printed(as_json=False)
        document = json.loads(printed()[0])

    assert "Requests to the bucket team-cache from 2019-11-26T00:00:00Z" in out
    assert "Narinfos: 3 of 4 found (75.0%)" in out
    assert "NARs: 2 downloads" in out
    assert "Failed: 1 request, 1 with status 503" in out
    assert "team-cache-nixreader" in out
    assert f"/nix/store/{base_name(1)}" in out
    assert "nar/x.nar.zst" in out
    first, second = document["largestDownloads"]
    assert (first["key"], first["path"]) == (nar_key(1), f"/nix/store/{base_name(1)}")
    assert (second["key"], second["path"], second["bytes"]) == ("nar/x.nar.zst", None, 1_000_000)


def test_hostile_keys_are_printed_without_control_characters(logs: S3Double) -> None:
    logs.put("access-logs/2019-11-26-12-00-00-H", log_line("nar/%1B%5B31m%0Ared.nar", sent=5))
    with served(logs):
        out, _ = printed(as_json=False)
    assert "red.nar" in out
    assert "\x1b" not in out


def test_the_last_day_is_read_by_default(logs: S3Double) -> None:
    with served(logs):
        result = json.loads(printed(since=None, until=None)[0])
    assert (result["since"], result["until"]) == ("2019-11-26T06:00:00Z", "2019-11-27T06:00:00Z")
    assert result["requests"] == 5


def test_a_time_without_logs_is_no_error(logs: S3Double) -> None:
    logs.objects.clear()
    with served(logs):
        out, err = printed(as_json=False)
    assert "0 requests" in out
    assert "No logs were delivered since 2019-11-26T00:00:00Z" in err


def test_a_log_that_expires_while_it_is_read_is_left_out(logs: S3Double) -> None:
    logs.faults["access-logs/2019-11-26-09-00-00-B"] = lambda _: Answer(404)
    with served(logs):
        result = json.loads(printed()[0])
    assert (result["logObjects"], result["requests"]) == (3, 2)


@pytest.mark.parametrize(
    ("status", "problem"),
    [(403, "may not list and read access logs in the bucket team-cache-logs"), (500, "500")],
)
def test_a_refusal_names_the_profile_and_the_bucket(
    logs: S3Double, status: int, problem: str
) -> None:
    logs.faults["access-logs/2019-11-26-09-00-00-B"] = lambda _: Answer(status)
    with served(logs), pytest.raises(ClientError, match=problem):
        printed()


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        ({"accessLogs": None}, "keeps no access logs", "set aws.accessLogs to {} in the stack"),
        (
            {"accessLogs": None, "backend": "minio"},
            "the backend of this cache is minio",
            "--live follows the requests",
        ),
        (
            {"accessLogs": None, "backend": "b2"},
            "whose access logs a stack can keep (AWS S3)",
            "leave out --traffic",
        ),
    ],
)
def test_a_cache_without_logs_names_what_to_do(
    logs: S3Double, changes: dict[str, Any], problem: str, fix: str
) -> None:
    with served(logs, **changes), pytest.raises(UsageError) as error:
        printed()
    assert problem in error.value.problem
    assert fix in error.value.fix


def test_prometheus_reads_the_traffic_without_addresses(logs: S3Double, tmp_path: Path) -> None:
    file = tmp_path / "traffic.prom"
    with served(logs):
        out, _ = printed(prometheus=file)
        alone, _ = printed(prometheus=Path("-"), as_json=False)
    assert json.loads(out)["requests"] == 5
    for text in (file.read_text(), alone):
        families = {one.name: one for one in text_string_to_metric_families(text)}
        assert all(one.type == "gauge" and one.documentation for one in families.values())
        by_client = {
            one.labels["client"]: one.value
            for one in families["nix_cache_traffic_requests"].samples
        }
        assert by_client == {"team-cache-nixreader": 3, "": 2}
        [errors] = families["nix_cache_traffic_errors"].samples
        assert (errors.labels, errors.value) == ({"cache": BUCKET, "status": "503"}, 1)
        assert "192.0.2" not in text


def test_a_time_without_errors_has_no_sample_of_them() -> None:
    text = prometheus.traffic_text(added(NAR), "demo", 1, 2, 3)
    assert "nix_cache_traffic_errors" not in text
    assert 'nix_cache_traffic_nar_bytes{cache="demo"} 1000000' in text
