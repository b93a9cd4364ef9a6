"""The two executables that the engine looks for on PATH, written as shell scripts."""

import os
import shlex
import tempfile
from pathlib import Path

_LANGUAGE_HOST = """\
#!/bin/sh
# Emulator of Pulumi's language host for Python.
exec {python} -I -c {program} "$@"
"""

_HOST_PROGRAM = """\
import sys
sys.path.append({root!r})
from offline.host.__main__ import main
sys.exit(main(sys.argv[1:]))"""

_DYNAMIC_PROVIDERS = """\
#!/bin/sh
# Serves the dynamic providers of a Python program, in the program's own environment, which the
# engine names by the runtime options of Pulumi.yaml.
case "${{PULUMI_RUNTIME_TOOLCHAIN:-pip}}" in
pip) ;;
*)
    echo "runtime option 'toolchain' is '$PULUMI_RUNTIME_TOOLCHAIN'; set pip," \\
        "the only one that this emulator supports" >&2
    exit 1
    ;;
esac
if [ -z "${{PULUMI_RUNTIME_VIRTUALENV:-}}" ]; then
    exec "${{PULUMI_PYTHON_CMD:-python3}}" -u {run_child} module pulumi.dynamic "$@"
fi
case "$PULUMI_RUNTIME_VIRTUALENV" in
/*) VIRTUAL_ENV="$PULUMI_RUNTIME_VIRTUALENV" ;;
*) VIRTUAL_ENV="$PWD/$PULUMI_RUNTIME_VIRTUALENV" ;;
esac
if [ ! -f "$VIRTUAL_ENV/bin/python" ]; then
    echo "runtime option 'virtualenv' names $VIRTUAL_ENV, which is no virtual environment;" \\
        "make it with: python3 -m venv $VIRTUAL_ENV" >&2
    exit 1
fi
unset PYTHONHOME
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH VIRTUAL_ENV
exec "$VIRTUAL_ENV/bin/python" -u {run_child} module pulumi.dynamic "$@"
"""


def write_launchers(bin_dir: Path, python: Path, root: Path) -> None:
    """Write the launchers of the language host and of dynamic providers into `bin_dir`.

    `python` is the interpreter that the host runs in, which has the package pulumi; `root` is
    the folder that holds the package offline. All three are made absolute. A launcher is
    replaced at once, never seen half written.
    """
    root = root.absolute()
    run_child = root / "offline" / "host" / "run_child.py"
    bin_dir.mkdir(parents=True, exist_ok=True)
    host = _LANGUAGE_HOST.format(
        python=shlex.quote(str(python.absolute())),
        program=shlex.quote(_HOST_PROGRAM.format(root=str(root))),
    )
    dynamic = _DYNAMIC_PROVIDERS.format(run_child=shlex.quote(str(run_child)))
    _write_executable(bin_dir / "pulumi-language-python", host)
    _write_executable(bin_dir / "pulumi-resource-pulumi-python", dynamic)


def _write_executable(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o755)  # noqa: S103 - programs on PATH are for all users
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
