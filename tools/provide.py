"""`python -m tools.provide [aws]`: gets every part now, so that nothing that follows waits for one.

That includes the program of SeaweedFS.

The AWS plugin is a part where `aws` is asked for, or where it was built before.
"""

import sys

from tools import engine, seaweedfs
from tools.bootstrap import ROOT
from tools.errors import ToolError


def main() -> int:
    """Provide the toolchain and print what it is made of; return the process's exit code."""
    try:
        found = engine.provide(ROOT / ".dev", aws="aws" in sys.argv[1:])
        seaweedfs.provide_program()
    except ToolError as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    for part in found.parts:
        print(f"{part.name:15}{part.version:40}{part.origin}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
