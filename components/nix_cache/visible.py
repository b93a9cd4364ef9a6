"""Foreign text as it may be shown: characters that act or hide are written as escapes. Pure.

A cache, a server, a file or an argument can hold anything. On a terminal some of that acts (control
characters move the cursor, change the title or fake a line), some reorders what stands around it
(bidirectional characters), and some is invisible, so that two different values look the same.
"""

import re

_INVISIBLE_LETTERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef"
)
"""Letters, marks and symbols without a picture: Unicode's *default ignorable* ones that
``str.isprintable`` lets through, and the empty braille pattern."""

_SUSPECT = re.compile(f"[^ -~\xa1-\xac\xae-\u02ff]|[{_INVISIBLE_LETTERS}]")
"""Everything outside ASCII and some Latin letters is looked at one by one."""

_HIDDEN = re.compile(f"[{_INVISIBLE_LETTERS}]")
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, keep: str = "") -> str:
    r"""Write what acts, reorders or hides as an escape, such as ``\x1b`` or ``\u202e``.

    That is every character that Unicode counts as control, format, surrogate, private,
    unassigned, or as a separator other than the space, and the letters that have no picture. What
    is escaped already stays as it is.

    Args:
        text: what is to be shown.
        keep: the characters that stay, such as the line ends of a layout of ours.
    """
    return _SUSPECT.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def _escaped(character: str) -> str:
    if character.isprintable() and not _HIDDEN.match(character):
        return character
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
