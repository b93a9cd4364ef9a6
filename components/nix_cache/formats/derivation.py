"""Derivations as the store has them, ``….drv``: which outputs are content-addressed. Pure.

The format is that of https://nix.dev/manual/nix/latest/protocols/derivation-aterm
"""

import re

_HEAD = re.compile(r'(?:Derive|DrvWithVersion)\((?:"[^"\\]*",)?\[')
_STRING = r'"((?:[^"\\]|\\.)*)"'
_OUTPUT = re.compile(rf"\({_STRING},{_STRING},{_STRING},{_STRING}\)", re.DOTALL)


class DerivationError(ValueError):
    """A text is not a derivation."""


def floating_outputs(content: bytes) -> tuple[str, ...]:
    """Return the names of the outputs whose paths follow from their content.

    Nix records a realisation for each of them when it is built. Outputs with a fixed hash or a
    fixed path are not among them, nor are those of impure derivations.

    Args:
        content: the derivation.

    Raises:
        DerivationError: it is not one.
    """
    text = content.decode("utf-8", "surrogateescape")
    head = _HEAD.match(text)
    if head is None:
        raise DerivationError("it does not begin as a derivation does")
    position, floating = head.end(), []
    while output := _OUTPUT.match(text, position):
        name, path, algorithm, digest = output.groups()
        if algorithm and not path and not digest:
            floating.append(name)
        position = output.end() + text.startswith(",", output.end())
    if not text.startswith("]", position):
        raise DerivationError("its outputs cannot be read")
    return tuple(floating)
