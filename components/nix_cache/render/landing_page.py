"""The page for people, ``index.html``: what a cache is and how to use it. Text from values, pure.

It loads nothing from anywhere: style, script and icon are in it, and its policy lets the browser
run exactly these. The script only adds buttons that copy.
"""

import base64
import hashlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nix_cache.formats.cache_info import INFO_KEY
from nix_cache.formats.manifest import MANIFEST_KEY, Manifest
from nix_cache.render import nix_conf

CONTENT_TYPE = "text/html; charset=utf-8"

_FOLDER = Path(__file__).parent / "page"


@dataclass(frozen=True)
class _Snippet:
    """Something to copy.

    Attributes:
        id: of its heading.
        title: where it goes.
        text: what is copied.
        note: what else has to be known.
    """

    id: str
    title: str
    text: str
    note: str


@dataclass(frozen=True)
class _Key:
    """A trusted key.

    Attributes:
        name: what comes before the colon.
        material: what comes after it.
    """

    name: str
    material: str


def render(domain: str, cache: Manifest) -> str:
    """The page of a cache, a whole document of HTML.

    Args:
        domain: what the cache's keys are called after, and the page as well.
        cache: what the page shows, without credentials (``Manifest.for_readers``).
    """
    style, script, icon = map(_part, ("page.css", "page.js", "icon.svg"))
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(
        domain=domain,
        cache=cache,
        snippets=list(_snippets(cache)),
        keys=list(_keys(cache)),
        manifest_key=MANIFEST_KEY,
        info_key=INFO_KEY,
        style=style,
        script=script,
        icon=icon,
        content_security_policy="; ".join(
            [
                "default-src 'none'",
                f"style-src {_source(style)}",
                f"script-src {_source(script)}",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
    )


def _snippets(cache: Manifest) -> Iterator[_Snippet]:
    values = (cache.read_url, cache.public_keys)
    if cache.public and cache.is_published:
        yield _Snippet(
            "command",
            "With one command",
            f"nix-cache use {shlex.quote(cache.read_url)}",
            "It shows the keys, and asks before it trusts them.",
        )
    yield _Snippet(
        "nix-conf",
        "In nix.conf",
        nix_conf.substituter_settings(*values),
        "Add it to /etc/nix/nix.conf and restart the daemon. In the nix.conf of a single user, it "
        "counts if they are a trusted user.",
    )
    yield _Snippet(
        "nixos",
        "On NixOS",
        nix_conf.nixos_module(*values),
        "A module: import it into the configuration, and rebuild.",
    )
    yield _Snippet(
        "flake",
        "In a flake",
        nix_conf.flake_config(*values),
        "In flake.nix, nixConfig stands beside inputs and outputs. Nix asks before it takes "
        "settings from a flake, and takes them from trusted users only.",
    )


def _keys(cache: Manifest) -> Iterator[_Key]:
    for text in cache.public_keys:
        name, _, material = text.partition(":")
        yield _Key(name, material)


def _part(name: str) -> Markup:
    """A file of ours as it is: what it holds is no value of anybody's."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _source(part: str) -> str:
    """How a Content-Security-Policy names one inline style or script."""
    digest = hashlib.sha256(part.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
