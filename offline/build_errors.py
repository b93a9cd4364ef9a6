"""Why Go failed, in plain words: from what it prints to a problem and a fix."""

import re
from pathlib import Path

from tools.errors import BuildError

LAST_LINES = 12

MODULE = r"(?P<module>[\w.~/-]+\.[\w.~/-]+@v[\w.+-]+)"

# What Go prints, why, and what helps. The first that matches is reported, so the more
# particular come first: a full disk also breaks downloads, and those break compiles.
CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"no space left on device",
        "the disk is full",
        "free some space, or point XDG_CACHE_HOME at a larger disk",
    ),
    (
        r"go\.mod requires go >= (?P<need>[\d.]+) \(running go (?P<have>[\d.]+)",
        "Go {have} is too old: the modules ask for Go {need}",
        "install Go {need} or newer, or take the old one out of PATH",
    ),
    (
        rf"{MODULE}(?:/go\.mod)?: (?:verifying (?:module|go\.mod): )?checksum mismatch",
        "{module} is not what go.sum says it is",
        "do not build it; compare go.sum with a machine you trust, and see what the module "
        "proxy in GOPROXY serves",
    ),
    (
        r"(?P<why>missing go\.sum entry[^\n;]*|updates to go\.(?:mod|sum) needed)",
        "go.mod and go.sum do not agree: {why}",
        "restore both from version control, or run `go mod tidy` after a change on purpose",
    ),
    (
        r"module lookup disabled by GOPROXY=off",
        "modules cannot be downloaded because GOPROXY is off",
        "unset GOPROXY, or set it to a module proxy that this machine reaches",
    ),
    (
        rf"{MODULE}: (?:reading |Get |verifying |git |unrecognized |invalid |open )"
        r"(?P<why>[^\n]*)",
        "{module} cannot be downloaded: {why}",
        "see that this machine reaches the module proxy in GOPROXY, then run the same again",
    ),
    (
        r"(?P<why>dial tcp[^\n]*|lookup [\w.-]+: [^\n]*|TLS handshake[^\n]*|i/o timeout)",
        "modules cannot be downloaded: {why}",
        "see that this machine reaches the module proxy in GOPROXY, then run the same again",
    ),
    (
        r"cgo: C compiler (?P<compiler>[^\n]*?) not found",
        "the C compiler {compiler} is missing",
        "install a C compiler, such as the package gcc, or set CC to the one that you have",
    ),
    (
        r"signal: killed|cannot allocate memory|out of memory",
        "the compiler was ended, most likely because memory ran out",
        "free about 3 GB of memory, or set GOMAXPROCS=1, then run the same again",
    ),
    (
        r"(?P<why>[^\n]*: permission denied)",
        "a file cannot be written: {why}",
        "give yourself write access to it, or point XDG_CACHE_HOME elsewhere",
    ),
)


def explain(tool: str, output: str, log: Path) -> BuildError:
    """Return the error to raise for a Go command that failed with `output`."""
    for pattern, problem, fix in CAUSES:
        match = re.search(pattern, output)
        if match:
            words = {name: value or "" for name, value in match.groupdict().items()}
            return BuildError(
                f"{tool} cannot be built: {problem.format(**words)}", fix.format(**words), log
            )
    last = "\n".join(f"    {line}" for line in output.strip().splitlines()[-LAST_LINES:])
    return BuildError(
        f"{tool} does not compile:\n{last}",
        "read the log; if the module folder is unchanged, report it with the log",
        log,
    )
