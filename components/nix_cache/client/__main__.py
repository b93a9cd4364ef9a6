"""Starts the command ``nix-cache``."""

import sys


def main() -> int:
    """Run the command; gives back the process's exit code."""
    try:
        from nix_cache.client import app
    except ModuleNotFoundError as missing:
        print(
            f"error: the command nix-cache needs the package {missing.name}, which is not "
            "installed; install it with: pip install 'nix-cache[client]'",
            file=sys.stderr,
        )
        return 2
    return app.run()


if __name__ == "__main__":
    sys.exit(main())
