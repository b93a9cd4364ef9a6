"""What Nix prints of store paths, ``nix path-info --json``, in all of its forms. Pure.

- A list of objects with ``path`` and ``valid``: Nix up to 2.18, and Lix.
- An object by store path: Nix 2.19 to 2.32, Determinate Nix of that time, and ``--json-format 1``.
- An object with ``version``, ``storeDir`` and ``info`` by base name: ``--json-format 2`` since Nix
  2.33, where content addresses are objects, and ``3`` since 2.35, where signatures are, too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nix_cache.formats.narinfo import BASE_NAME
from nix_cache.formats.nix_hash import HashFormatError, NixHash

_METHODS = {"nar": "fixed:r:", "flat": "fixed:", "text": "text:", "git": "fixed:git:"}
"""The methods of a content address as objects name them, and as narinfos spell them."""


class PathInfoError(ValueError):
    """A text is not what Nix prints. The message names the store path and the field."""


@dataclass(frozen=True, slots=True)
class PathInfo:
    """What the store's database holds of a path.

    Attributes:
        path: the full path.
        nar_hash: of its NAR.
        nar_size: of its NAR, in bytes.
        references: full paths that it refers to, sorted; itself may be among them.
        deriver: the full path of the derivation that made it, if known.
        signatures: as narinfos have them: ``KEYNAME:BASE64``, sorted.
        ca: its content address as narinfos have it, if it has one.
        ultimate: whether it was built on this machine.
        registration_time: when it came into the store, in seconds since 1970, if known.
    """

    path: str
    nar_hash: NixHash
    nar_size: int
    references: tuple[str, ...]
    deriver: str | None
    signatures: tuple[str, ...]
    ca: str | None
    ultimate: bool
    registration_time: int | None

    @property
    def base_name(self) -> str:
        """The path without the store's folder."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PathInfos:
    """What Nix printed of some paths.

    Attributes:
        valid: the paths of the store, by full path.
        invalid: full paths that are not in the store.
    """

    valid: Mapping[str, PathInfo]
    invalid: tuple[str, ...]


def parse(text: str) -> PathInfos:
    """Read what ``nix path-info --json`` printed, in any of its forms.

    Raises:
        PathInfoError: it has none of these forms.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise PathInfoError("it is not JSON") from None
    valid, invalid = {}, []
    for path, entry in _entries(document):
        if entry is None:
            invalid.append(path)
        else:
            valid[path] = _path_info(path, entry)
    return PathInfos(valid, tuple(invalid))


def _entries(document: Any) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each path with its fields; None for one that is not in the store."""
    match document:
        case [*entries]:
            for entry in entries:
                match entry:
                    case {"path": str(path), "valid": False}:
                        yield _full("path", path, ""), None
                    case {"path": str(path)}:
                        yield _full("path", path, ""), entry
                    case _:
                        raise PathInfoError("an entry of the list names no path")
        case {"version": int(), "storeDir": str(store_dir), "info": {**infos}}:
            for name, entry in infos.items():
                yield _full("info", name, store_dir), _object(name, entry)
        case {**infos}:
            for name, entry in infos.items():
                yield _full("path", name, ""), _object(name, entry)
        case _:
            raise PathInfoError("it is neither an object nor a list")


def _object(path: object, entry: Any) -> dict[str, Any] | None:
    if entry is None or isinstance(entry, dict):
        return entry
    raise PathInfoError(f"the entry of {path} is not an object")


def _path_info(path: str, entry: dict[str, Any]) -> PathInfo:
    store_dir = path.rpartition("/")[0]

    def field(name: str, kind: type, default: Any = None) -> Any:
        value = entry.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise PathInfoError(f"{name} of {path} has the wrong type")
        return value

    nar_size = field("narSize", int)
    if nar_size < 1:
        raise PathInfoError(f"narSize of {path} is {nar_size}")
    deriver, time = entry.get("deriver"), entry.get("registrationTime")
    return PathInfo(
        path=path,
        nar_hash=_hash(f"narHash of {path}", entry.get("narHash")),
        nar_size=nar_size,
        references=tuple(
            sorted(
                _full(f"references of {path}", name, store_dir)
                for name in field("references", list)
            )
        ),
        deriver=None if not deriver else _full(f"deriver of {path}", deriver, store_dir),
        signatures=tuple(sorted(_signature(path, each) for each in field("signatures", list, []))),
        ca=_content_address(path, entry.get("ca")),
        ultimate=field("ultimate", bool, False),
        registration_time=None if not time else field("registrationTime", int),
    )


def _full(where: str, name: Any, store_dir: str) -> str:
    """Return the full path of a full path or, where a store is given, of a base name."""
    if isinstance(name, str):
        folder, _, base = name.rpartition("/")
        if BASE_NAME.fullmatch(base) and (folder.startswith("/") or (not folder and store_dir)):
            return name if folder else f"{store_dir}/{name}"
    raise PathInfoError(f"{where}: {name!r} is not a store path")


def _hash(where: str, value: Any) -> NixHash:
    try:
        match value:
            case str():
                return NixHash.parse(value)
            case {"algorithm": str(algorithm), "hash": str(encoded)}:
                return NixHash.parse_encoded(algorithm, encoded)
    except HashFormatError as reason:
        raise PathInfoError(f"{where}: {reason}") from None
    raise PathInfoError(f"{where} is missing or not a hash")


def _signature(path: str, value: Any) -> str:
    match value:
        case str():
            return value
        case {"keyName": str(name), "sig": str(encoded)}:
            return f"{name}:{encoded}"
    raise PathInfoError(f"a signature of {path} has an unknown form: {value!r}")


def _content_address(path: str, value: Any) -> str | None:
    match value:
        case None | "":
            return None
        case str():
            return value
        case {"method": str(method), "hash": content} if method in _METHODS:
            return f"{_METHODS[method]}{_hash(f'ca of {path}', content).nix32}"
    raise PathInfoError(f"ca of {path} has an unknown form: {value!r}")
