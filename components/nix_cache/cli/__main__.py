"""Starts the command ``nix-cache``."""

import os
import sys

from nix_cache import terminal
from nix_cache.cli.machine import interrupt


def main() -> int:
    """Run the command; gives back the process's exit code."""
    interrupt.install()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = 130
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
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
