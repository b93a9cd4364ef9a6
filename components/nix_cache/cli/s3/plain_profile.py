"""Reads the profile that most pushes have, a key pair in a credentials file, without botocore.

Loading botocore takes longer than asking a cache for a hundred paths. Whatever is more than a key
pair is left to it.
"""

import configparser
import io
import os
from collections.abc import Iterable
from pathlib import Path

from nix_cache.cli.machine.regular import regular_file
from nix_cache.cli.s3.signature import KeyPair

_PAIR = ("aws_access_key_id", "aws_secret_access_key")
_TOKEN = "aws_session_token"  # noqa: S105  # a setting


def plain_pair(profile: str, files: Iterable[tuple[Path, Path]]) -> tuple[KeyPair, Path] | None:
    """Return the key pair of a profile, and its file.

    Args:
        profile: its name.
        files: configuration files, each with a credentials file, in the order of their precedence.

    Returns:
        None if there is no such profile, or if botocore has to read it: the configuration file
        mentions it, its section has other settings, or a file cannot be read.
    """
    for config, credentials in files:
        try:
            if config.exists() and profile in _text(config):
                return None
            if not credentials.exists():
                continue
            parser = configparser.RawConfigParser()
            parser.read_string(_text(credentials))
        except (OSError, UnicodeError, configparser.Error):
            return None
        if not parser.has_section(profile):
            continue
        settings = dict(parser.items(profile))
        if not set(_PAIR) <= settings.keys() <= {*_PAIR, _TOKEN} or not all(settings.values()):
            return None
        pair = KeyPair(settings[_PAIR[0]], settings[_PAIR[1]], settings.get(_TOKEN))
        return pair, credentials
    return None


def _text(path: Path) -> str:
    if path == Path(os.devnull):  # a usual way to have no such file
        return ""
    with regular_file(path) as file:
        return io.TextIOWrapper(file, encoding="utf-8").read()
