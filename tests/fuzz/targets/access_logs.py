"""Access logs of AWS S3, in which clients choose a part of each line."""

import re

from nix_cache.cli.stats.access_log import logged_request
from nix_cache.cli.stats.traffic import TrafficSum
from nix_cache.cli.stats.traffic_report import document
from tests.fuzz.target import Target
from tests.unit.cli.access_log_lines import READER, log_line

_BUCKET = "team-cache"
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


def _check_log(data: bytes) -> bool:
    traffic, is_accepted = TrafficSum(), False
    for line in data.split(b"\n"):
        try:
            request = logged_request(line, _BUCKET)
        except ValueError:
            continue
        is_accepted = True
        if request is None:
            continue
        assert _TIME.fullmatch(request.time)
        assert request.sent_bytes >= 0
        assert request.received_bytes >= 0
        assert 0 <= request.status <= 999
        traffic.add(request)
        # AWS adds fields at the end, without notice. A line may be as long as it can be already.
        if len(line) < 10_000:
            assert logged_request(line + b' - "a new one" x', _BUCKET) == request
    assert document(traffic)["requests"] == traffic.total.requests
    return is_accepted


TARGETS = (
    Target(
        "access-log",
        _check_log,
        seeds=(
            log_line("nar/x.nar.zst", requester=READER, sent=41232, size=41232),
            log_line("x.narinfo", status=403, error="AccessDenied", sent=243),
            log_line("-", operation="REST.GET.BUCKET", uri="GET /?list-type=2 HTTP/1.1"),
            log_line("a%20b", operation="REST.PUT.OBJECT", more=""),
            log_line("x", operation="S3.EXPIRE.OBJECT", status="-", uri="-"),
            log_line("x.narinfo", agent='a "quoted" agent - - 1'),
        ),
        tokens=(
            b'" 200 - 1 1 1 1 "',
            b'"-" "-" -',
            b" - - ",
            b"[31/Feb/2019:23:59:60 +0000]",
            b"REST.HEAD.OBJECT",
            b"arn:aws:sts::123456789012:assumed-role/",
            b"%00%ff",
            b"999999999999999999999",
        ),
    ),
)
