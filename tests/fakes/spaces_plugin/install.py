"""Puts the fake plugin where an engine looks for plugins, if the official one is not available."""

import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from tools.bootstrap import ROOT
from tools.engine import Engine, PartOrigin

PLUGIN = "pulumi-resource-digitalocean"
_LAUNCHER = """\
#!/bin/sh
# Fake of Pulumi's DigitalOcean plugin.
exec {python} -I -c {program} "$@"
"""
_PROGRAM = """\
import sys
sys.path.insert(0, {root!r})
from tests.fakes.spaces_plugin.__main__ import main
sys.exit(main())"""


def install(engine: Engine) -> bool:
    """Give an engine the fake, under the version of the SDK that is installed here.

    Args:
        engine: an engine whose home is the caller's own. One that is official downloads the
            official plugin, and is left alone.

    Returns:
        whether it has the fake.
    """
    if not any(part.origin is PartOrigin.EMULATOR for part in engine.parts):
        return False
    python = Path(sys.prefix) / "bin" / "python"
    text = _LAUNCHER.format(
        python=shlex.quote(str(python)), program=shlex.quote(_PROGRAM.format(root=str(ROOT)))
    )
    folder = engine.home / "plugins" / f"resource-digitalocean-v{version('pulumi-digitalocean')}"
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / PLUGIN
    launcher.write_text(text)
    launcher.chmod(0o755)
    return True
