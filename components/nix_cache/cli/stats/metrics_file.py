"""The file that ``--prometheus`` names, for the textfile collector of node_exporter."""

from pathlib import Path

from nix_cache.cli.errors import UsageError
from nix_cache.cli.machine import console, files

_STANDARD_OUTPUT = "-"


def require_place(file: Path | None, *, as_json: bool) -> None:
    """Make sure that a file can be written beside the result.

    Args:
        file: the file, ``-`` for standard output; None for none.
        as_json: whether the result is a document on standard output.

    Raises:
        UsageError: it cannot.
    """
    if as_json and str(file) == _STANDARD_OUTPUT:
        raise UsageError(
            "--json and --prometheus - both write to standard output",
            "name a file after --prometheus, or leave one of them out",
        )
    if file is not None and file.is_dir():
        raise UsageError(f"--prometheus {file} is a folder", "name a file in it")
    if file is not None and not file.absolute().parent.is_dir():
        raise UsageError(
            f"--prometheus {file} is in a folder that does not exist",
            "make the folder, or name another file",
        )


def write(file: Path, text: str) -> bool:
    """Write metrics in one step; return whether they are on standard output, as the result.

    Raises:
        ClientError: the file cannot be written.
    """
    if str(file) == _STANDARD_OUTPUT:
        console.out.text(text)
        return True
    files.write(file.absolute(), text.encode(), files.PUBLIC_FILE)
    return False
