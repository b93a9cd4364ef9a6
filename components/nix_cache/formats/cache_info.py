"""The object ``nix-cache-info``, by which Nix recognises a cache: its text and its fields. Pure."""

from collections.abc import Iterator

INFO_KEY = "nix-cache-info"
CONTENT_TYPE = "text/x-nix-cache-info"

_SWITCH = ("0", "1")


def nix_cache_info(store_dir: str, want_mass_query: bool, priority: int) -> str:
    """Return the text of the object."""
    return f"StoreDir: {store_dir}\nWantMassQuery: {int(want_mass_query)}\nPriority: {priority}\n"


def fields(text: str) -> dict[str, str]:
    """Return the fields by name, as Nix reads them. A line without a colon has an empty value."""
    parts = (line.partition(":") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in parts}


def differences(before: str, after: str) -> list[tuple[str, str | None, str | None]]:
    """Return the fields that two texts do not have in common.

    Returns:
        for each field its name, its value before and its value after; None where it is missing.
    """
    old, new = fields(before), fields(after)
    return [
        (name, old.get(name), new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]


def problems(text: str) -> Iterator[str]:
    """Yield what Nix ignores or refuses in a text, each as the rest of "it ..."."""
    seen: set[str] = set()
    for line in text.splitlines():
        name, colon, _ = line.partition(": ")
        if not colon:
            yield f"has the line {line!r}, which is no 'Name: value'"
        elif name in seen:
            yield f"has {name} twice"
        seen.add(name)
    found = fields(text)
    if not found.get("StoreDir", "").startswith("/"):
        yield f"has the StoreDir {found.get('StoreDir')!r}, which is no absolute path"
    priority = found.get("Priority", "0")
    if not (priority.isascii() and priority.isdigit()):
        yield f"has the Priority {priority!r}, which is no whole number"
    if found.get("WantMassQuery", "0") not in _SWITCH:
        yield f"has the WantMassQuery {found['WantMassQuery']!r}, which is neither 0 nor 1"
