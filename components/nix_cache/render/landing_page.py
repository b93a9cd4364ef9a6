"""The landing page, ``index.html``: what a cache is, how to use it, and its keys. Pure.

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
    """Return the landing page of a cache, a complete HTML document.

    Args:
        domain: the first part of the key names, and the page's title.
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
            "With the nix-cache client",
            f"nix-cache use {shlex.quote(cache.read_url)}",
            "It shows the keys and asks before it trusts them.",
        )
    yield _Snippet(
        "nix-conf",
        "In nix.conf",
        nix_conf.substituter_settings(*values),
        "Add these lines to /etc/nix/nix.conf, and restart the Nix daemon. In the nix.conf of a "
        "user, they have an effect only for trusted users.",
    )
    yield _Snippet(
        "nixos",
        "On NixOS",
        nix_conf.nixos_module(*values),
        "Import this module into the configuration, and rebuild.",
    )
    yield _Snippet(
        "flake",
        "In a flake",
        nix_conf.flake_config(*values),
        "Add this to flake.nix, beside inputs and outputs. Nix asks before it applies settings "
        "of a flake, and ignores them for users who are not trusted.",
    )


def _keys(cache: Manifest) -> Iterator[_Key]:
    for text in cache.public_keys:
        name, _, material = text.partition(":")
        yield _Key(name, material)


def _part(name: str) -> Markup:
    """Return one of the files beside the template, which contain no foreign values."""
    return Markup((_FOLDER / name).read_text(encoding="utf-8"))  # noqa: S704 - our own file


def _source(part: str) -> str:
    """Return the source expression of an inline style or script for a Content-Security-Policy."""
    digest = hashlib.sha256(part.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
