"""What `nix-cache stats --live` counts. `tests/engine/test_stats.py` runs it on MinIO."""

import json
from typing import Any

import pytest

from nix_cache.cli import app
from nix_cache.cli.stats.trace_line import traced_request
from nix_cache.cli.stats.traffic import OTHERS, TrafficSum


def line(
    path: str = "/demo/x.narinfo", status: int = 200, method: str = "GET", **request: Any
) -> bytes:
    """Return a line of the trace, with the fields that are read."""
    return json.dumps(
        {
            "http": {
                "request": {
                    "time": "2026-11-27T07:46:27.5Z",
                    "method": method,
                    "path": path,
                    "client": "192.0.2.1",
                    **request,
                },
                "response": {"statuscode": status},
                "stats": {"inputbytes": 47, "outputbytes": 333},
            }
        }
    ).encode()


def signed(key: str) -> dict[str, Any]:
    """Return the headers of a signed request."""
    value = f"AWS4-HMAC-SHA256 Credential={key}/20261127/us-east-1/s3/aws4_request, Signature=0"
    return {"headers": {"Authorization": [value], "Host": ["localhost:9000"]}}


def added(*lines: bytes) -> TrafficSum:
    """Return what some lines add up to."""
    traffic = TrafficSum()
    for one in lines:
        if (request := traced_request(one, "demo")) is not None:
            traffic.add(request)
    return traffic


def test_the_hit_rate_is_that_of_reads_of_narinfos() -> None:
    traffic = added(
        line(status=200),
        line(status=304),
        line(status=404, method="HEAD"),
        line(status=403),
        line(status=503),
        line(method="PUT"),
        line("/demo/nar/x.nar"),
    )
    assert (traffic.total.found_narinfos, traffic.total.absent_narinfos) == (2, 2)
    assert traffic.total.hit_rate == 0.5
    assert (traffic.total.requests, traffic.total.sent_bytes) == (7, 7 * 333)
    assert added(line("/demo/nar/x.nar")).total.hit_rate is None


def test_clients_are_access_keys_or_addresses() -> None:
    query = "X-Amz-Credential=reader-2%2F20261127%2Fus-east-1%2Fs3"
    traffic = added(line(), line(**signed("reader-1")), line(rawquery=query))
    assert set(traffic.by_client) == {"192.0.2.1", "reader-1", "reader-2"}


def test_only_the_bucket_of_the_cache_counts() -> None:
    paths = ("/other/x.narinfo", "/demo-2/x.narinfo", "/", "/other/demo/x")
    assert added(*map(line, paths)).total.requests == 0
    hosted = traced_request(line("/x.narinfo", headers={"Host": ["demo.example.org"]}), "demo")
    assert hosted is not None
    assert hosted.key == "x.narinfo"


def test_a_scan_from_many_addresses_is_counted_together() -> None:
    traffic = added(*(line(client=f"192.0.2.1:{number}") for number in range(1100)))
    assert len(traffic.by_client) == 1001
    assert traffic.by_client[OTHERS].requests == 100


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b"[]",
        b"3",
        b"{}",
        b'{"http": null}',
        b'{"http": {"request": {}, "response": {}, "stats": {}}}',
        line(headers={"Host": 3}),
        line(headers=["Host"]),
        line().replace(b'"outputbytes": 333', b'"outputbytes": "x"'),
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_line_that_is_no_trace_is_one_error(content: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        traced_request(content, "demo")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--for", "3"], "--for"),
        (["--live", "--older-than", "3"], "--older-than"),
        (["--live", "--prices", "p.json"], "--prices"),
        (["--live"], "--owner"),
        (["--grace", "3"], "--grace"),
        (["--live", "--grace", "3"], "--grace"),
        (["--live", "--prometheus", "p.prom"], "--prometheus"),
        (["--live", "--traffic"], "exclude"),
        (["--live", "--since", "2019-11-27"], "--since"),
        (["--until", "2019-11-27"], "--until"),
        (["--traffic", "--for", "3"], "--for"),
        (["--traffic", "--older-than", "3"], "--older-than"),
        (["--traffic", "--prices", "p.json"], "--prices"),
        (["--traffic"], "--owner"),
        (["--traffic", "--since", "yesterday"], "--since 'yesterday' is not a time"),
        (["--traffic", "--since", "2999-01-01"], "has not come yet"),
        (["--traffic", "--since", "2019-11-27", "--until", "2019-11-26"], "is not before"),
        (["--traffic", "--json", "--prometheus", "-"], "standard output"),
        (["--json", "--prometheus", "-"], "standard output"),
    ],
)
def test_options_without_a_meaning_are_refused(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["stats", "demo", *arguments]) == 2
    assert named in capsys.readouterr().err
