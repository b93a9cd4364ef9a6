"""Starts the command ``nix-cache``."""

import gc
import os
import sys

from nix_cache import terminal
from nix_cache.cli.machine import interrupt

ALLOCATIONS = 50_000
"""Objects that are made before Python looks for cycles among them; its own default is 700."""


def main() -> int:
    """Run the command; gives back the process's exit code."""
    # What loading allocates stays, so that looking for garbage among it takes time for nothing.
    gc.set_threshold(ALLOCATIONS)
    interrupt.install()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = 130
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    gc.freeze()  # else Python looks for garbage among all of it before it ends
    return interrupt.leave(code)


def _run() -> int:
    # These take long to load, and can be interrupted.
    from nix_cache.cli import app
    from nix_cache.cli.machine import console

    # Files are private unless their mode is set: those of this program, and those of libraries.
    os.umask(0o077)
    terminal.protect()
    code = app.run()
    try:
        terminal.finish()
    except terminal.OutputError as failure:
        console.error(f"the output cannot be written: {failure.strerror}; free some space")
        return code or 1
    return code


if __name__ == "__main__":
    sys.exit(main())
