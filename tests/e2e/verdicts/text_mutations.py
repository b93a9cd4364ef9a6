"""Mutations of a narinfo's text: each field altered in each way, and the text as a whole."""

from collections.abc import Callable, Iterator
from functools import partial

from nix_cache.formats.narinfo import NarinfoError
from tests.e2e.verdicts.samples import Made, Mutation, Sample

# Lines of a narinfo: each field altered in each way.

_FIELDS = (
    *("StorePath", "URL", "Compression", "FileHash", "FileSize", "NarHash", "NarSize"),
    *("References", "Deriver"),
)

_ALTERED: dict[str, Callable[[bytes, bytes], bytes]] = {
    "removed": lambda n, v: b"",
    "empty": lambda n, v: n + b": \n",
    "doubled": lambda n, v: (n + b": " + v + b"\n") * 2,
    "garbage-first": lambda n, v: n + b": garbage\n" + n + b": " + v + b"\n",
    "garbage-last": lambda n, v: n + b": " + v + b"\n" + n + b": garbage\n",
    "empty-first": lambda n, v: n + b": \n" + n + b": " + v + b"\n",
    "empty-last": lambda n, v: n + b": " + v + b"\n" + n + b": \n",
    "lower-case": lambda n, v: n.lower() + b": " + v + b"\n",
    "leading-blank": lambda n, v: b" " + n + b": " + v + b"\n",
    "no-blank": lambda n, v: n + b":" + v + b"\n",
    "two-blanks": lambda n, v: n + b":  " + v + b"\n",
    "trailing-blank": lambda n, v: n + b": " + v + b" \n",
    "tab": lambda n, v: n + b":\t" + v + b"\n",
    "carriage-return": lambda n, v: n + b": " + v + b"\r\n",
    "next-line": lambda n, v: n + b":\n" + v + b"\n",
    "next-line-blank": lambda n, v: n + b": \n " + v + b"\n",
    "nul": lambda n, v: n + b": " + v + b"\0\n",
    "nul-name": lambda n, v: n + b"\0: " + v + b"\n",
    "garbage": lambda n, v: n + b": garbage\n",
    "not-utf-8": lambda n, v: n + b": \xff\n",
    "upper-case-value": lambda n, v: n + b": " + v.upper() + b"\n",
    "blank-line-before": lambda n, v: b"\n" + n + b": " + v + b"\n",
    "no-colon": lambda n, v: n + b" " + v + b"\n",
    "text-before": lambda n, v: b"# a comment\n" + n + b": " + v + b"\n",
}


def lines(signed: Made, addressed: Made) -> Iterator[Mutation]:
    for way, alter in _ALTERED.items():
        for field in _FIELDS:
            yield f"line-{field}-{way}", signed, partial(_alter_line, field, alter)
        yield f"line-Sig-{way}", signed, partial(_alter_line, "Sig", alter, sign=False)
        yield f"line-CA-{way}", addressed, partial(_alter_line, "CA", alter, sign=False)


def _alter_line(
    field: str, alter: Callable[[bytes, bytes], bytes], sample: Sample, *, sign: bool = True
) -> None:
    line = f"{field}: {sample.value(field)}\n".encode()
    altered = alter(field.encode(), sample.value(field).encode())
    _rewrite(sample, lambda body: body.replace(line, altered), sign=sign)


def _rewrite(sample: Sample, alter: Callable[[bytes], bytes], *, sign: bool = True) -> None:
    """Alter the text, and sign what it then says, as far as that can be read."""
    if sign:
        sample.drop("Sig")
    body = alter(sample.narinfo.body)
    sample.narinfo.body = body
    if sign:
        try:
            signature = sample.signature()
        except NarinfoError:
            return
        sample.narinfo.body = f"Sig: {signature}\n".encode() + body


# The text as a whole.


def texts(signed: Made) -> Iterator[Mutation]:
    ways: dict[str, Callable[[bytes], bytes]] = {
        "crlf": lambda body: body.replace(b"\n", b"\r\n"),
        "no-final-newline": lambda body: body[:-1],
        "byte-order-mark": lambda body: b"\xef\xbb\xbf" + body,
        "nul-at-end": lambda body: body + b"\0",
        "blank-line-at-end": lambda body: body + b"\n",
        "blank-line-at-start": lambda body: b"\n" + body,
        "reversed": lambda body: b"".join(reversed(body.splitlines(keepends=True))),
        "unknown-field": lambda body: body + b"Future: yes\n",
        "unknown-field-empty": lambda body: body + b"Future: \n",
        "unknown-field-no-value": lambda body: body + b"Future:\n",
        "unknown-field-odd-bytes": lambda body: body + b"Future: \xff\0\x1b[2J\n",
        "unknown-field-only-colon": lambda body: body + b":\nX: \n",
        "colon-at-the-very-end": lambda body: body + b"X:",
        "cut-to-a-quarter": lambda body: body[: len(body) // 4],
        "cut-to-half": lambda body: body[: len(body) // 2],
        "cut-at-a-line": lambda body: b"".join(body.splitlines(keepends=True)[:4]),
        "long-unknown-field": lambda body: body + b"Future: " + b"x" * 900_000 + b"\n",
        "longer-than-a-narinfo": lambda body: body + b"Future: " + b"x" * 1_100_000 + b"\n",
    }
    for way, alter in ways.items():
        yield f"text-{way}", signed, partial(_rewrite, alter=alter)
    for way, body in {
        "nothing": b"",
        "a-newline": b"\n",
        "html": b"<html>\n<body>a parked page: buy it</body>\n",
        "json": b'{"StorePath": "x"}\n',
        "binary": bytes(range(256)) * 4,
    }.items():
        yield f"text-{way}", signed, partial(_serve, body)


def _serve(body: bytes, sample: Sample) -> None:
    sample.narinfo.body = body
