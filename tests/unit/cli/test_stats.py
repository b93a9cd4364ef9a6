"""What `nix-cache stats` counts and prints. `tests/engine/test_stats.py` runs it on MinIO."""

import contextlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nix_cache.cli.caches.manager import Manager
from nix_cache.cli.caches.source import Source
from nix_cache.cli.caches.target import Target
from nix_cache.cli.errors import UsageError
from nix_cache.cli.inventory import bucket as bucket_module
from nix_cache.cli.inventory.objects import PackedObjects
from nix_cache.cli.inventory.stored import Stored
from nix_cache.cli.stats import prometheus, session
from nix_cache.cli.stats.figures import Adder, Figures
from nix_cache.cli.stats.prices import Prices
from nix_cache.formats.narinfo import Narinfo
from tests.unit.cli.client_caches import manifest
from tests.unit.cli.collected_cache import (
    CREDENTIAL,
    OLD,
    CollectedCache,
    base_name,
    collected_cache,
    nar_key,
    narinfo,
    narinfo_key,
    store_hash,
)
from tests.unit.cli.s3_double import DoubleTransport

OCTOBER = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)


def added(*paths: tuple[int, bytes], nars: dict[str, int]) -> Figures:
    """Return the figures of some narinfos, all written in October."""
    listed = {key: Stored(key, size, OCTOBER) for key, size in nars.items()}
    adder = Adder(PackedObjects.of(listed, common="nar/"), {})
    for number, content in paths:
        adder.add(Stored(narinfo_key(number), len(content), OCTOBER), Narinfo.parse(content))
    return adder.finished()


def test_a_nar_that_two_paths_share_counts_once() -> None:
    figures = added(
        (1, narinfo(1)), (2, narinfo(2, url=nar_key(1))), nars={nar_key(1): 40, nar_key(3): 5}
    )
    assert figures.total.paths == 2
    assert (figures.total.stored_bytes, figures.total.nar_bytes) == (40, 120)
    assert figures.compression_ratio == 3
    assert (figures.orphans, figures.orphan_bytes) == (1, 5)
    assert figures.by_month["2026-10"].paths == 2
    assert figures.by_compression["zstd"].stored_bytes == 40


def test_a_path_counts_for_each_key_that_signed_it() -> None:
    twice = narinfo(1) + f"Sig: k-2:{'B' * 86}==\n".encode()
    unsigned = narinfo(2).partition(b"Sig:")[0]
    figures = added((1, twice), (2, unsigned), nars={nar_key(1): 10, nar_key(2): 20})
    assert {name: one.stored_bytes for name, one in figures.by_key.items()} == {
        "k-1": 10,
        "k-2": 10,
        "": 20,
    }


def test_a_nar_that_a_doubtful_url_may_name_is_not_an_orphan() -> None:
    doubtful = narinfo(1, url=f"./{nar_key(1)}")
    figures = added((1, doubtful), nars={nar_key(1): 10, nar_key(2): 20})
    assert (figures.orphans, figures.missing_nars) == (1, 0)
    assert figures.compression_ratio is None


def test_the_largest_paths_are_kept_in_order() -> None:
    nars = {nar_key(number): 100 + number for number in range(20)}
    figures = added(*((number, narinfo(number)) for number in range(20)), nars=nars)
    assert [one.stored_bytes for one in figures.largest] == list(range(119, 109, -1))
    assert figures.largest[0].store_path == f"/nix/store/{base_name(19)}"


@pytest.fixture
def cache() -> CollectedCache:
    """Provide a cache with a path, an orphan, a log and a narinfo that cannot be read."""
    further = ("debuginfo/x.debug", "realisations/x.doi", "build-trace-v2/x/out.doi")
    cache = collected_cache({"log/x.drv": b"log", nar_key(9): b"orphan"})
    for key in (*further, f"{store_hash(1)}.ls"):
        cache.storage.put(key, b"{}")
    cache.push(1)
    cache.storage.put(narinfo_key(2), b"<html>")
    cache.storage.put(narinfo_key(3), narinfo(3))
    return cache


@contextlib.contextmanager
def served(cache: CollectedCache, **changes: Any) -> Iterator[None]:
    """Let the command find a cache."""
    target = Target(Source(manifest(**changes)), None)
    with (
        mock.patch.object(
            session, "find_manager", return_value=Manager(target, CREDENTIAL, "owner")
        ),
        mock.patch.object(bucket_module, "Transport", return_value=DoubleTransport(cache.storage)),
    ):
        yield


def printed(cache: CollectedCache, *, as_json: bool = True, **wishes: Any) -> tuple[str, str]:
    """Run the command; returns what it writes to standard output and to standard error."""
    given: dict[str, Any] = {"prices": None, "prometheus": None, **wishes}
    request = session.StatsRequest(
        cache=None, project=None, owner="owner", jobs=2, remembers=False, **given
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        session.run(request, as_json=as_json)
    return out.getvalue(), err.getvalue()


def test_the_whole_bucket_is_counted(cache: CollectedCache) -> None:
    with served(cache):
        out, err = printed(cache)
    result = json.loads(out)
    assert result["paths"] == 2
    assert result["objects"]["nar"] == {"count": 2, "bytes": 9}
    assert result["objects"]["log"] == {"count": 1, "bytes": 3}
    assert result["objects"]["debuginfo"] == {"count": 1, "bytes": 2}
    assert result["objects"]["realisation"] == {"count": 2, "bytes": 4}
    assert result["objects"]["listing"] == {"count": 1, "bytes": 2}
    assert result["bytes"] == sum(len(held.content) for held in cache.storage.objects.values())
    assert result["orphans"] == {"count": 1, "bytes": 6}
    assert result["missingNars"] == 1
    assert list(result["unreadable"]) == [narinfo_key(2)]
    assert result["monthlyCost"] is None
    assert "no list price for the backend minio" in err
    assert not cache.storage.deleted


def test_the_table_names_keys_months_and_paths(cache: CollectedCache) -> None:
    with served(cache, backend="b2", endpoint="https://s3.us-west-004.backblazeb2.com"):
        out, _ = printed(cache, as_json=False)
    assert "k-1" in out
    assert f"/nix/store/{base_name(1)}" in out
    assert f"{cache.storage.objects[narinfo_key(1)].written:%Y-%m}" in out
    assert "below 0.01 USD a month (list price of" in out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", '{"perUnitMonth": 2, "unitBytes": 10, "currency": "EUR", "includedBytes": 100}'),
        ("p.toml", 'perUnitMonth = 2.0\nunitBytes = 10\ncurrency = "EUR"\nincludedBytes = 100\n'),
    ],
)
def test_the_user_can_replace_the_prices(
    cache: CollectedCache, tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    with served(cache):
        result = json.loads(printed(cache, prices=file)[0])
    cost = result["monthlyCost"]
    assert cost["amount"] == pytest.approx((result["bytes"] - 100) * 0.2)
    assert (cost["currency"], cost["source"]) == ("EUR", str(file))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "is not JSON"),
        ("[]", "table"),
        ("3", "table"),
        ("null", "table"),
        ("{}", "perUnitMonth"),
        ('{"perUnitMonth": -1}', "perUnitMonth"),
        ('{"perUnitMonth": NaN}', "perUnitMonth"),
        ('{"perUnitMonth": true}', "perUnitMonth: Input should be a number, not true or false"),
        ('{"perUnitMonth": 1, "includedBytes": false}', "includedBytes"),
        ('{"perUnitMonth": 1e308}', "perUnitMonth"),
        ('{"perUnitMonth": 1, "unitBytes": 0}', "unitBytes"),
        ('{"perUnitMonth": 1, "egress": 1}', "egress"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_wrong_prices_are_one_error(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "p.json"
    file.write_text(content)
    with pytest.raises(UsageError) as error:
        Prices.read(file)
    assert named in error.value.problem


def test_what_a_base_price_includes_costs_nothing_more() -> None:
    prices = Prices(per_unit_month=0.5, unit_bytes=10, base_month=5, included_bytes=100)
    assert [prices.cost(stored).amount for stored in (0, 100, 120)] == [5, 5, 6]


def test_prometheus_reads_the_figures() -> None:
    odd = 'k"\\-1'
    content = narinfo(1).replace(b"Sig: k-1", f"Sig: {odd}".encode())
    figures = added((1, content), nars={nar_key(1): 40})
    cost = Prices(per_unit_month=1, unit_bytes=10).cost(40)
    text = prometheus.text(figures, cost, None, "demo", 1.5)
    families = {one.name: one for one in text_string_to_metric_families(text)}
    assert all(one.type == "gauge" and one.documentation for one in families.values())
    signed = families["nix_cache_signed_bytes"].samples[0]
    assert signed.labels == {"cache": "demo", "key": odd}
    assert signed.value == 40
    assert families["nix_cache_monthly_cost"].samples[0].labels["currency"] == "USD"
    assert families["nix_cache_compression_ratio"].samples[0].value == 3


def test_the_file_for_the_collector_is_written_beside_the_table(
    cache: CollectedCache, tmp_path: Path
) -> None:
    file = tmp_path / "nix-cache.prom"
    with served(cache):
        out, _ = printed(cache, prometheus=file, as_json=False)
        alone, _ = printed(cache, prometheus=Path("-"), as_json=False)
    assert out.startswith("2 paths")
    assert file.stat().st_mode & 0o777 == 0o644
    for text in (file.read_text(), alone):
        names = {one.name for one in text_string_to_metric_families(text)}
        assert {"nix_cache_paths", "nix_cache_object_bytes"} <= names


def test_two_results_on_standard_output_are_refused(cache: CollectedCache) -> None:
    with served(cache), pytest.raises(UsageError, match="--prometheus"):
        printed(cache, prometheus=Path("-"))


def test_a_folder_for_prometheus_is_never_made(cache: CollectedCache, tmp_path: Path) -> None:
    """A misspelt folder would be one that node_exporter does not read."""
    wrong = tmp_path / "nod_exporter"
    with served(cache), pytest.raises(UsageError, match="in a folder that does not exist; make"):
        printed(cache, prometheus=wrong / "x.prom")
    assert not wrong.exists()
    assert not cache.storage.requests


def test_a_folder_in_place_of_the_file_for_prometheus_is_refused_at_once(
    cache: CollectedCache, tmp_path: Path
) -> None:
    with served(cache), pytest.raises(UsageError, match="is a folder; name a file in it"):
        printed(cache, prometheus=tmp_path)
    assert not cache.storage.requests


@pytest.fixture
def aged() -> CollectedCache:
    """Provide a cache with a young path and what it needs, an old path, and an old orphan."""
    cache = collected_cache({})
    cache.push(1, [2])
    cache.push(2, age=OLD)
    cache.push(3, age=OLD)
    cache.storage.put(nar_key(4), b"orphan", age=OLD)
    return cache


@pytest.mark.parametrize("grace_days", [0, 30])
def test_what_a_collection_frees_is_what_gc_then_deletes(
    aged: CollectedCache, grace_days: int
) -> None:
    with served(aged):
        foreseen = json.loads(printed(aged, older_than_days=30, grace_days=grace_days)[0])
    collection = foreseen["collection"]
    assert not aged.storage.deleted
    done = aged.collect(grace_days=grace_days)
    assert collection["now"] == {
        "narinfos": len(done.result["narinfos"]),
        "nars": len(done.result["nars"]),
        "others": 0,
        "bytes": done.result["bytes"],
    }
    waiting = {key: len(aged.storage.objects[key].content) for key in done.result["waiting"]}
    assert collection["later"]["nars"] == len(waiting)
    assert collection["later"]["bytes"] == sum(waiting.values())
    assert collection["now"]["narinfos"] == 1
    assert collection["now"]["nars"] + collection["later"]["nars"] == 2


def test_the_table_and_prometheus_have_what_a_collection_frees(
    aged: CollectedCache, tmp_path: Path
) -> None:
    file = tmp_path / "nix-cache.prom"
    with served(aged):
        out, _ = printed(aged, as_json=False, older_than_days=30, grace_days=7, prometheus=file)
    assert "--older-than 30 --grace 7" in out
    assert "1 narinfo, 0 NARs" in out
    families = {one.name: one for one in text_string_to_metric_families(file.read_text())}
    found = {
        (one.labels["when"], one.labels["kind"]): one.value
        for one in families["nix_cache_collectable_objects"].samples
    }
    assert (found["now", "narinfo"], found["later", "nar"]) == (1, 2)
    assert families["nix_cache_collection_blocked"].samples[0].value == 0


def test_a_narinfo_that_cannot_be_read_means_that_nothing_would_go(cache: CollectedCache) -> None:
    with served(cache):
        out, err = printed(cache, older_than_days=1, grace_days=0)
    collection = json.loads(out)["collection"]
    assert collection["isBlocked"]
    assert collection["now"]["bytes"] == collection["later"]["bytes"] == 0
    assert "would delete nothing" in err
