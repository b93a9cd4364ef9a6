"""The commands that a test's user has on PATH: the real Nix, on the store of that test."""

import shlex
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from offline.nix import PROGRAMS
from tests.e2e.signing_proxy import SigningProxy
from tools.bootstrap import ROOT

INSIDE = "NIX_TEST_INSIDE"

LAUNCHER = """\
#!/bin/sh
# A user's {name}: the real one, on the store of one test.
real() {{
  # The hook of a build runs inside already.
  if [ "${{{inside}:-}}" ]; then "$@"; else {enter} "$@"; fi
}}
{sign}real {program} "$@"
"""

CLIENT = """\
#!/bin/sh
# This project's client. What reads the store has to see the store of the test.
case "${{{inside}:-}} $1" in
  " push" | " exec" | " watch-store" | " hook") exec {enter} {program} "$@" ;;
  *) exec {program} "$@" ;;
esac
"""

SIGN = """\
# As whom the Nix would sign if it could: the profile of a URL here, or of a substituter.
urls=$*
case $urls in *profile=*) ;; *) urls=$(real {nix} config show substituters 2>&1) ;; esac
profile=$(printf '%s' "$urls" | sed -n 's/.*[?&]profile=\\([A-Za-z0-9._-]*\\).*/\\1/p' | tail -n 1)
[ -z "$profile" ] || export http_proxy="http://$profile@{proxy}"
"""


def write_launchers(
    folder: Path, programs: Path, enter: Sequence[str], proxy: SigningProxy | None
) -> None:
    """Write a launcher for each of Nix's programs, and one for our client.

    Args:
        folder: where to.
        programs: the folder with the real ones, as they are seen from inside.
        enter: the command in front of those that makes them see the test's store.
        proxy: what signs for a Nix that cannot.
    """
    path = f"{folder}:{Path(sys.prefix) / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
    inside = ["env", f"{INSIDE}=1", f"PATH={path}"]
    sign = SIGN.format(nix=programs / "nix", proxy=proxy.address) if proxy else ""
    for name in PROGRAMS:
        launcher = folder / name
        launcher.write_text(
            LAUNCHER.format(
                name=name,
                inside=INSIDE,
                enter=shlex.join([*enter, *inside]),
                sign=sign,
                program=programs / name,
            )
        )
        launcher.chmod(0o755)
    client = folder / "nix-cache"
    client.write_text(
        CLIENT.format(
            inside=INSIDE,
            enter=shlex.join([*enter, *inside]),
            program=Path(sys.prefix) / "bin" / "nix-cache",
        )
    )
    client.chmod(0o755)


def python_paths() -> list[Path]:
    """Return what has to be seen inside so that a build's hook can run this project's commands."""
    base = Path(sys.base_prefix)
    if base == Path("/usr"):  # not the whole of it, for the Nix has its own there
        python = [Path(sys.executable).resolve(), Path(sysconfig.get_path("stdlib"))]
    else:
        python = [base]
    return [ROOT, Path(sys.prefix), *python]
