"""What the real Nix remembers of a cache and is no longer so: doctor finds it, its fix works."""

import hashlib
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import READER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.test_client_doctor import client, doctor, source_of


@dataclass(frozen=True)
class Reading:
    """A machine that uses a cache, and one that pushes to it."""

    cache: Cache
    reader: Nix
    writer: Nix

    def diagnosis(self, *options: str) -> list[dict[str, Any]]:
        """Return what doctor found about the memory of Nix, which it has to leave as it is."""
        before = self._memory()
        found = [
            finding
            for finding in doctor(self.reader, "team", *options).findings
            if re.search("^Nix remembers| remembers ", finding["what"])
        ]
        assert self._memory() == before
        return found

    def fix(self, finding: dict[str, Any]) -> int:
        """Run the command that a finding names, as it is printed; returns its exit code."""
        (command,) = re.findall(r"`([^`]+)`", finding["fix"])
        return subprocess.run(
            ["sh", "-c", command],
            env=self.reader.environment,
            cwd=self.reader.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        ).returncode

    def delete(self, path: str) -> None:
        """Delete a path from the cache, as a garbage collection does."""
        keys = [narinfo_key(path), self.cache.narinfo(path).url]
        for key in keys:
            self.cache.root.delete_object(Bucket=self.cache.bucket, Key=key)

    def _memory(self) -> dict[Path, str]:
        files = (self.reader.home / ".cache" / "nix").glob("binary-cache-*")
        return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture(params=["cache", "private_cache"])
def reading(request: pytest.FixtureRequest, new_nix: NewNix) -> Reading:
    """Provide two machines, for a cache that is read by HTTP and one that is read by S3."""
    cache: Cache = request.getfixturevalue(request.param)
    writer, reader = new_nix(), new_nix()
    cache.let_write(writer)
    if request.param == "private_cache":
        cache.let_read(reader, READER)
    used = client(reader, "use", source_of(cache, reader), "--name", "team", "--yes")
    assert used.returncode == 0, used.stderr
    return Reading(cache, reader, writer)


def test_a_remembered_absence_is_found_and_its_fix_works(reading: Reading) -> None:
    """The path was asked for too early, so every pull fails until Nix asks again."""
    path = store_paths.build(reading.writer).root
    assert reading.reader.realise(path).exit_code != 0
    assert reading.cache.push(reading.writer, path).exit_code == 0
    assert reading.reader.realise(path).exit_code != 0, "Nix forgets absences at once"

    (finding,) = reading.diagnosis("--path", path)

    assert finding["level"] == "error"
    assert "that the cache lacks 1 path, which it has now" in finding["what"]
    assert "narinfo-cache-negative-ttl is 3600 s" in finding["why"]
    (item,) = finding["items"]
    assert re.fullmatch(re.escape(path) + r", until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", item)
    # Without a named path, it is one of the latest.
    assert any(item in one["items"] for one in reading.diagnosis() if one["level"] == "warning")
    assert reading.fix(finding) == 0
    assert reading.reader.realise(path).exit_code == 0
    (well,) = reading.diagnosis("--path", path)
    assert well["level"] == "ok"


def test_an_absence_that_nix_no_longer_believes_is_none(reading: Reading) -> None:
    """The setting of this machine counts, and not its default."""
    path = store_paths.build(reading.writer).root
    assert reading.reader.realise(path).exit_code != 0
    assert reading.cache.push(reading.writer, path).exit_code == 0
    conf = reading.reader.conf
    conf.write_text(f"{conf.read_text()}\nnarinfo-cache-negative-ttl = 0\n")

    (well,) = reading.diagnosis("--path", path)

    assert (well["level"], "it still believes" in well["what"]) == ("ok", True)
    assert reading.reader.realise(path).exit_code == 0


def test_a_remembered_nar_that_is_gone_is_found_and_its_fix_works(reading: Reading) -> None:
    """It was deleted and pushed again under another name, which Nix would see in 30 days."""
    path = store_paths.build(reading.writer).root
    url = reading.cache.push_url(reading.writer)
    copy = ("copy", "--to", f"{url.replace('compression=zstd', 'compression=xz')}")
    assert reading.writer.run(*copy, path).exit_code == 0
    remember = ("path-info", "--store", reading.cache.read_url, path)
    assert reading.reader.get(*remember) == path
    reading.delete(path)
    reading.writer.forget_caches()
    assert reading.cache.push(reading.writer, path).exit_code == 0
    assert reading.reader.realise(path).exit_code != 0, "Nix asks again by itself"

    (finding,) = reading.diagnosis("--path", path)

    assert (finding["level"], "no longer in the cache" in finding["what"]) == ("error", True)
    assert "narinfo-cache-positive-ttl is 2592000 s" in finding["why"]
    assert path in finding["items"][0]
    assert reading.fix(finding) == 0
    assert reading.reader.realise(path).exit_code == 0


def test_a_path_that_is_gone_is_found_and_forgotten(reading: Reading) -> None:
    """The fix fails, as the path is not there, and then Nix believes that too."""
    path = store_paths.build(reading.writer).root
    assert reading.cache.push(reading.writer, path).exit_code == 0
    assert reading.reader.get("path-info", "--store", reading.cache.read_url, path) == path
    reading.delete(path)

    (finding,) = reading.diagnosis("--path", path)

    assert "no longer in the cache" in finding["what"]
    assert reading.fix(finding) != 0
    assert [one["level"] for one in reading.diagnosis("--path", path)] == ["ok"]
