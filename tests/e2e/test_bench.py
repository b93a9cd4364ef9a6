"""`make bench-push` with tiny sizes."""

import re

import pytest

from bench import __main__ as bench
from offline.nix import RealNix
from tools.bootstrap import ROOT

pytestmark = pytest.mark.usefixtures("engine")


def test_each_push_is_measured_beside_the_others(
    real_nix: RealNix, capsys: pytest.CaptureFixture[str]
) -> None:
    """All ways run, and leave a whole closure. The page is printed; the file stays as it is."""
    results = ROOT / "bench" / "RESULTS.md"
    before = results.read_bytes()

    assert bench.main(["--small"]) == 0

    printed = capsys.readouterr()
    assert real_nix.version in printed.out
    times = re.findall(r"^\| (.*?) \|.* s \(.*\) \|$", printed.out, re.MULTILINE)
    assert times == [
        *("large paths", "small paths"),
        *("small paths, already there", "many paths, already there", "one path"),
    ]
    assert "takes less than a minute" in printed.err
    assert "round 1 of 1" in printed.err
    assert results.read_bytes() == before
