"""The texts of the hook: the script that Nix runs, its setting, and systemd's units. Pure."""

import shlex
from dataclasses import dataclass
from pathlib import Path

_LOG_BYTES = 1_000_000

_SCRIPT = """\
#!/bin/sh
# Notes what Nix has just built for the cache {name}, and lets it be pushed in the background.
# Written by `nix-cache hook`. It never fails and never waits: no build may depend on it.
trap 'exit 0' EXIT HUP INT PIPE TERM
set -f
umask 022
PATH=$PATH:{programs}:/usr/bin:/bin:/run/current-system/sw/bin
export PATH
command=
record={record}
folder={folder}
client={client}
log=$folder/log

[ -e "$record" ] || exit 0  # the cache is no longer in use here
mkdir -p "$folder/queue" 2>/dev/null
for path in $OUT_PATHS; do
  entry=$folder/queue/${{path##*/}}
  # -n, or else a second link would go into the folder that the first one points to.
  [ -L "$entry" ] || ln -sn "$path" "$entry" 2>/dev/null || [ -L "$entry" ] ||
    echo "nix-cache: $path could not be queued in $folder; push it by hand" >&2
done

# Who waits for their turn will see what was just queued. Their number may be another's by now.
read -r waiting 2>/dev/null <"$folder/waiting" &&
  read -r command 2>/dev/null <"/proc/$waiting/cmdline"
case $command in *--drain*--to*{name}*) exit 0 ;; esac
if ! [ -x "$client" ]; then
  echo "nix-cache: $client is gone; what was built waits in $folder/queue" >&2
  exit 0
fi
size=$(wc -c 2>/dev/null <"$log") && [ "$size" -gt {log_bytes} ] && mv -f "$log" "$log.1"
( : >>"$log" ) 2>/dev/null || log=/dev/null
session=$(command -v setsid)
$session "$client" hook --drain --to {name} </dev/null >>"$log" 2>&1 &
"""

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
    """The script. Nix gives it the built paths in ``OUT_PATHS``."""
    return _SCRIPT.format(
        name=hook.name,
        record=_quoted(hook.record),
        folder=_quoted(hook.folder),
        client=_quoted(hook.client),
        programs=_quoted(hook.programs),
        log_bytes=_LOG_BYTES,
    )


def settings(hook: Hook) -> str:
    """The file that nix.conf includes."""
    return (
        f"# The hook that pushes to the binary cache {hook.name}; "
        f"`nix-cache hook --remove` removes it.\npost-build-hook = {hook.script}\n"
    )


def nixos_module(hook: Hook) -> str:
    """The same for NixOS, where nix.conf is generated."""
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
