"""Searches for secret values in whatever form they may have leaked."""

import base64
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus


def forms_of(secret: str) -> set[bytes]:
    """Return a value in clear, in base64 at any offset, in hexadecimal, in JSON, in URLs."""
    clear = secret.encode()
    forms = {
        clear,
        clear.hex().encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(json.dumps(secret))[1:-1].strip('\\"').encode(),
        secret.replace("/", "\\/").encode(),
        quote(secret, safe="").encode(),
        quote(secret).encode(),
        quote_plus(secret).encode(),
    }
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # What stands before and after it changes the characters at both ends.
            encoded = encode(bytes(offset) + clear)
            forms.add(encoded[(offset * 8 + 5) // 6 : len(encoded) - 4])
    return forms


def found_in(content: bytes, secrets: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets whose values are in some content."""
    return [
        name
        for name, secret in secrets.items()
        if any(form in content for form in forms_of(secret))
    ]


def leaks(places: Mapping[str, bytes], secrets: Mapping[str, str]) -> dict[str, list[str]]:
    """By place, the secrets that are in it. Places without any are left out."""
    found = {place: found_in(content, secrets) for place, content in places.items()}
    return {place: names for place, names in found.items() if names}


def files_below(folder: Path, besides: Iterable[Path] = ()) -> dict[str, bytes]:
    """Return the content of every file in a folder by its path, except in some folders."""
    left_out = tuple(besides)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(path.is_relative_to(other) for other in left_out)
    }


class CommandLines:
    """The command lines of all processes, as all users of the machine see them with `ps`."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self._stop = threading.Event()

    @property
    def content(self) -> bytes:
        """All that were seen, one a line."""
        return b"\n".join(sorted(self._seen))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at them again and again meanwhile."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    self._seen.add((process / "cmdline").read_bytes().replace(b"\0", b" "))
                except OSError:
                    continue
