"""`python -m tests.e2e`: runs the end-to-end tests, or says loudly that nothing was proven."""

import sys

import pytest

from offline.nix import NoNixError, find
from tests.e2e import browser
from tools.bootstrap import ROOT, cache_folder
from tools.errors import ToolError

_WORKERS = 2
_LINE = "!" * 80


def main(arguments: list[str]) -> int:
    """Run them; returns the process's exit code.

    A machine that has no Nix and can have none is no failure of the project's: that ends with 0.
    """
    folder = ROOT / "tests" / "e2e"
    left_out = []
    try:
        nix = find(cache_folder())
        print(f"Nix {nix.version}: {nix.origin}", file=sys.stderr)
        if problem := browser.why_missing():
            _report(f"The page was NOT looked at in a browser:\n{problem}")
            left_out = ["--ignore", str(folder / "test_landing_page.py")]
        else:
            browser.find(cache_folder())  # takes longer, the first time, than a test may
    except NoNixError as missing:
        _report(f"The end-to-end tests were NOT run, and nothing was proven:\n{missing}")
        return 0
    except ToolError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    spread = ["-n", str(_WORKERS), "--dist", "loadfile"]
    return int(pytest.main([str(folder), *spread, *left_out, *arguments]))


def _report(text: str) -> None:
    print(f"{_LINE}\n{text}\n{_LINE}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
