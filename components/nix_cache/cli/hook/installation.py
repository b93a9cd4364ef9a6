"""Putting the hook into nix.conf, and taking it out."""

import os
import shutil
import sys
from pathlib import Path

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError
from nix_cache.cli.hook import texts
from nix_cache.cli.hook.queue import Queue
from nix_cache.cli.hook.texts import Hook
from nix_cache.cli.machine import console, files, masking, ownership
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.machine.located import changeable_by_others
from nix_cache.cli.machine.ownership import FileKind
from nix_cache.cli.machine.places import Place, hook_name, system_place, user_place
from nix_cache.cli.machine.sizes import counted
from nix_cache.cli.nix import conf_file, daemon, installation, program

_PROGRAM = "nix-cache"
_SCRIPT_MODE = 0o755


def place_of(record: Record) -> Place:
    """Where a cache is used: by this user, or on the whole machine."""
    own = user_place()
    return own if own.record(record.name).exists() else system_place()


def folder_of(place: Place, name: str) -> Path:
    """Where the queue of a cache is."""
    return place.state / "hook" / name


def hook_of(record: Record) -> Hook:
    """Return the hook for a cache in use.

    Raises:
        ClientError: there is no Nix, or this command is not installed.
    """
    place = place_of(record)
    nix = shutil.which("nix")
    if nix is None:
        raise program.no_nix()
    return Hook(
        name=record.name,
        script=(place.folder / hook_name(record.name)).absolute(),
        record=place.record(record.name).absolute(),
        folder=folder_of(place, record.name).absolute(),
        client=_client(),
        programs=Path(nix).absolute().parent,
        system=place.system,
    )


def install(record: Record, hook: Hook) -> list[FileChange]:
    """Write the script, and let nix.conf name it, unless that is generated.

    Returns:
        what was changed.

    Raises:
        ClientError: another hook is there, or the daemon would not run this one. Nothing was
            changed.
    """
    place = place_of(record)
    _require_runnable(place, hook)
    _require_no_other(hook)
    script = files.read(hook.script)
    ownership.require_own(FileKind.HOOK_SCRIPT, hook.script, script, hook.name)
    changes = [FileChange(hook.script, script, texts.script(hook).encode(), _SCRIPT_MODE)]
    if generator(record) is None:
        name = hook_name(record.name)
        nix_conf = installation.settings_file(place)
        conf, before = place.conf(name), files.read(nix_conf)
        settings = files.read(conf)
        ownership.require_own(FileKind.HOOK_SETTINGS, conf, settings, hook.name)
        changes += [
            FileChange(conf, settings, texts.settings(hook).encode(), files.PUBLIC_FILE),
            FileChange(
                nix_conf,
                before,
                conf_file.with_include(before, name),
                mask=masking.nix_conf_line,
            ),
        ]
    files.apply(changes)
    make_queue(Queue(hook.folder), hook.name)
    return changes


def remove(record: Record) -> list[FileChange]:
    """Take out what ``install`` put in. What still waits stays in the queue.

    Returns:
        what was changed.
    """
    place, name = place_of(record), hook_name(record.name)
    changes = []
    for kind, path in (
        (FileKind.HOOK_SETTINGS, place.conf(name)),
        (FileKind.HOOK_SCRIPT, place.folder / name),
    ):
        content = files.read(path)
        if content is not None and ownership.owner(kind, content) == record.name:
            changes.append(FileChange(path, content, None))
    is_foreign = files.read(place.conf(name)) is not None and all(
        change.path != place.conf(name) for change in changes
    )
    for path in installation.settings_files(place):
        before = files.read(path)
        if before is not None and not is_foreign:
            after = conf_file.without_include(before, name)
            changes.insert(0, FileChange(path, before, after, mask=masking.nix_conf_line))
    needed = [change for change in changes if change.needed]
    files.apply(needed)
    queue = Queue(folder_of(place, record.name))
    if waiting := queue.paths():
        console.note(
            f"Still waiting in {queue.links}: {counted(len(waiting), 'path')}. Push with "
            "`nix-cache hook --drain`."
        )
    else:
        queue.clear()
    return needed


def generator(record: Record) -> str | None:
    """Who makes nix.conf; None if it is there to be written."""
    store = Path(record.manifest.store_dir)
    found = installation.generator(place_of(record), store, chosen=False)
    return found.kind if found else None


def make_queue(queue: Queue, name: str) -> None:
    """Make the queue: among the garbage collector's roots if this user may write there.

    Raises:
        ClientError: the folder cannot be made.
    """
    roots = Path(os.environ.get("NIX_STATE_DIR") or "/nix/var/nix") / "gcroots"
    try:
        files.make_folder(queue.folder, files.PUBLIC_FOLDER)
        if os.access(roots, os.W_OK) and not queue.links.exists():
            target = roots / "nix-cache" / name
            files.make_folder(target, files.PUBLIC_FOLDER)
            queue.links.unlink(missing_ok=True)
            queue.links.symlink_to(target)
        files.make_folder(queue.links, files.PUBLIC_FOLDER)
    except OSError as failure:
        raise ClientError(
            f"{failure.filename} cannot be made: {failure.strerror}", "mend that folder"
        ) from None


def _require_runnable(place: Place, hook: Hook) -> None:
    if any(blank in str(hook.script) for blank in " \t\r\n#"):
        raise ClientError(
            f"nix.conf cannot name the file {hook.script}, whose path has a blank or '#'",
            "use another place: --system, or XDG_CONFIG_HOME",
        )
    if os.geteuid() == 0:
        for folder in (hook.script.parent, hook.folder):
            if other := changeable_by_others(folder):
                raise ClientError(
                    f"root would run the hook from {folder}, and another user can change {other}",
                    "unset XDG_CONFIG_HOME and XDG_STATE_HOME, or use the cache with --system",
                )
    if not place.system and os.geteuid() != 0 and daemon.exists():
        raise ClientError(
            "the Nix daemon runs the hook as root, and this cache is used by this user alone",
            "as root run `nix-cache use SOURCE --as WRITER`, then `nix-cache hook --install`",
        )


def _require_no_other(hook: Hook) -> None:
    configured = program.ask([*program.NIX, "config", "show", "post-build-hook"]).strip()
    if configured not in {"", str(hook.script)}:
        raise ClientError(
            f"nix.conf has another post-build-hook already: {configured}",
            "take it out, or let it call the script that `nix-cache hook --cache "
            f"{hook.name}` prints",
        )


def _client() -> Path:
    """Return this command, as a daemon can start it."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name(_PROGRAM)
    found = shutil.which(_PROGRAM)
    for path in (called, beside, *([Path(found)] if found else [])):
        if path.name == _PROGRAM and path.is_file():
            return path.absolute()
    raise ClientError("the command nix-cache is not on PATH", "install it: pip install nix-cache")
