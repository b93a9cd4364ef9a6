"""What `make help` lists."""

import re
import subprocess

from tools.bootstrap import ROOT


def test_every_described_target_is_listed() -> None:
    """In one of the groups; a description without a group would be left out."""
    makefile = (ROOT / "Makefile").read_text()
    described = re.findall(r"^([\w-]+):.*##", makefile, re.MULTILINE)
    done = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    listed = re.findall(r"^  make (\S+) +\S", done.stdout, re.MULTILINE)
    assert sorted(listed) == sorted(described)
    assert {"up", "e2e", "schema"} <= {*listed}
    starts = re.findall(r"^(  make \S+ +)\S", done.stdout, re.MULTILINE)
    assert len({len(start) for start in starts}) == 1, "the descriptions are not in one column"
