"""The texts of the hook: the script that Nix runs, its setting, and systemd's units."""

import re
import shlex
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_SCRIPT = "post-build-hook.sh"
"""Beside this module, with the names of values between ``@``. shellcheck reads it as it is."""

_VALUE = re.compile("@([a-z]+)@")

_SERVICE = """\
# {units}/{unit}.service
[Unit]
Description=Push what was built to the binary cache {name}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
Environment=PATH={programs}:/usr/bin:/bin:/run/current-system/sw/bin
ExecStart={client} hook --drain --to {name}

# {units}/{unit}.timer
[Unit]
Description=Push what still waits for the binary cache {name}

[Timer]
OnBootSec=1min
OnUnitInactiveSec=15min

[Install]
WantedBy=timers.target

# Then: {systemctl} daemon-reload && {systemctl} enable --now {unit}.timer
"""


@dataclass(frozen=True)
class Hook:
    """A post-build hook for one cache.

    Attributes:
        name: the cache's.
        script: the file with the script, which Nix runs.
        record: the file by which the cache is known to be in use.
        folder: where the queue, the log and the locks are.
        client: the command ``nix-cache``, an absolute path.
        programs: the folder of the command ``nix``.
        system: whether it is for the whole machine, and not for one user.
    """

    name: str
    script: Path
    record: Path
    folder: Path
    client: Path
    programs: Path
    system: bool


def script(hook: Hook) -> str:
    """Return the script. Nix gives it the built paths in ``OUT_PATHS``."""
    values = {
        "name": hook.name,
        "record": _quoted(hook.record),
        "folder": _quoted(hook.folder),
        "client": _quoted(hook.client),
        "programs": _quoted(hook.programs),
    }
    text = resources.files(__package__).joinpath(_SCRIPT).read_text(encoding="utf-8")
    return _VALUE.sub(lambda name: values[name[1]], text)


def settings(hook: Hook) -> str:
    """Return the file that nix.conf includes."""
    return (
        f"# The hook that pushes to the binary cache {hook.name}; "
        f"`nix-cache hook --remove` removes it.\npost-build-hook = {hook.script}\n"
    )


def nixos_module(hook: Hook) -> str:
    """Return the same for NixOS, where nix.conf is generated."""
    return f'{{\n  nix.settings.post-build-hook = "{hook.script}";\n}}\n'


def systemd_units(hook: Hook) -> str:
    """Units that push what a restart of the machine, or an outage, has left behind.

    A timer, and none that watches the queue: that one would run without end while the server is
    down, until systemd gives it up.
    """
    return _SERVICE.format(
        units="/etc/systemd/system" if hook.system else "~/.config/systemd/user",
        systemctl="systemctl" if hook.system else "systemctl --user",
        unit=f"nix-cache-push-{hook.name}",
        name=hook.name,
        client=hook.client,
        programs=hook.programs,
    )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
