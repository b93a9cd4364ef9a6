"""`python -m tests.e2e`: runs the end-to-end tests, or says loudly that nothing was proven."""

import sys

import pytest

from toolchain.bootstrap import ROOT, cache_folder
from toolchain.errors import ToolchainError
from toolchain.nix import NoNixError, find

_WORKERS = 2
_LINE = "!" * 80


def main(arguments: list[str]) -> int:
    """Run them; returns the process's exit code.

    A machine that has no Nix and can have none is no failure of the project's: that ends with 0.
    """
    try:
        nix = find(cache_folder())
    except NoNixError as missing:
        said = f"The end-to-end tests were NOT run, and nothing was proven:\n{missing}"
        print(f"{_LINE}\n{said}\n{_LINE}", file=sys.stderr)
        return 0
    except ToolchainError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    print(f"Nix {nix.version}: {nix.origin}", file=sys.stderr)
    folder = str(ROOT / "tests" / "e2e")
    return int(pytest.main([folder, "-n", str(_WORKERS), "--dist", "loadfile", *arguments]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
