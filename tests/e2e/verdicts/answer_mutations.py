"""Mutations of how a narinfo and a NAR are served, and of the URL of the NAR."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from functools import partial

import brotli
import zstandard

from tests.e2e.verdicts.samples import FOLDER, Made, Mutation, Sample, Stored

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "none": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "compress": bytes,
    "aws-chunked": bytes,
    "utf-8": bytes,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
    "gzip, br": lambda body: brotli.compress(gzip.compress(body)),
    "identity, gzip": gzip.compress,
}


def answers(signed: Made) -> Iterator[Mutation]:
    """How the narinfo and the NAR are served."""
    for part in ("narinfo", "stored"):
        for encoding, encode in _ENCODERS.items():
            way = encoding.replace(", ", "-and-")
            yield f"{part}-encoding-{way}", signed, partial(_encode, part, encoding, encode)
        for encoding in ("gzip", "br", "zstd", "deflate"):
            alter = partial(_encode, part, encoding, bytes)
            yield f"{part}-encoding-{encoding}-not-true", signed, alter
            cut = partial(_encode, part, encoding, partial(_encoded_and_cut, encoding))
            yield f"{part}-encoding-{encoding}-cut-off", signed, cut
        for status in (201, 204, 206, 302, 400, 401, 402, 403, 404, 405, 407, 410, 451, 500, 503):
            yield f"{part}-status-{status}", signed, partial(_answer, part, status)
        yield f"{part}-redirected", signed, partial(_redirect, part)
        yield f"{part}-length-too-large", signed, partial(_lengthen, part)


def _encode(part: str, encoding: str, encode: Callable[[bytes], bytes], sample: Sample) -> None:
    stored: Stored = getattr(sample, part)
    stored.body = encode(stored.body)
    stored.headers["Content-Encoding"] = encoding


def _encoded_and_cut(encoding: str, body: bytes) -> bytes:
    return _ENCODERS[encoding](body)[:-3]


def _answer(part: str, status: int, sample: Sample) -> None:
    getattr(sample, part).status = status


def _redirect(part: str, sample: Sample) -> None:
    stored: Stored = getattr(sample, part)
    sample.others[f"moved/{sample.base_name}.{part}"] = Stored(stored.body)
    stored.status = 302
    stored.headers["Location"] = f"/{FOLDER}/moved/{sample.base_name}.{part}"


def _lengthen(part: str, sample: Sample) -> None:
    stored: Stored = getattr(sample, part)
    stored.headers["Content-Length"] = str(len(stored.body) + 10)


def urls(signed: Made, cache_url: str) -> Iterator[Mutation]:
    """Other ways to name the NAR, and names that lead nowhere."""
    origin, _, folder = cache_url.rpartition("/")
    host = origin.partition("//")[2]
    for way, url in {
        "dot": "./{url}",
        "dots": "nar/../{url}",
        "dots-out-and-in": f"../{folder}/{{url}}",
        "dots-beyond-the-root": f"../../../{folder}/{{url}}",
        "absolute-path": f"/{folder}/{{url}}",
        "absolute-path-elsewhere": "/elsewhere/{url}",
        "whole": f"{cache_url}/{{url}}",
        "whole-upper-case-scheme": f"HTTP{cache_url[4:]}/{{url}}",
        "without-scheme": f"//{host}/{folder}/{{url}}",
        "other-port": f"http://127.0.0.1:9/{folder}/{{url}}",
        "percent": "nar%2F{name}",
        "percent-letter": "n%61r/{name}",
        "percent-twice": "n%2561r/{name}",
        "percent-dots": "nar/%2e%2e/{url}",
        "percent-broken": "nar/%zz{name}",
        "percent-at-the-end": "{url}%",
        "plus": "nar/+{name}",
        "query": "{url}?hash=x",
        "query-empty": "{url}?",
        "fragment": "{url}#x",
        "blank": "nar/ {name}",
        "blank-at-the-end": "{url} ",
        "not-ascii": "nar/\u00e4{name}",
        "backslash": "nar\\{name}",
        "control": "nar/\x1b[2J{name}",
        "quote": 'nar/"{name}',
        "bracket": "nar/[{name}",
        "pipe": "nar/|{name}",
        "double-slash": "nar//{name}",
        "upper-case": "NAR/{name}",
        "elsewhere-in-the-cache": "elsewhere/{name}",
        "other-folder": "files/deep/{name}",
        "root": "{name}",
        "missing": "nar/missing.nar",
        "folder": "nar/",
        "parent": "..",
        "query-alone": "?x",
        "fragment-alone": "#x",
        "scheme-unknown": "foo:{url}",
        "scheme-data": "data:,x",
        "scheme-ftp": "ftp://127.0.0.1:9/{url}",
        "scheme-file": "file:///nonexistent/{url}",
        "colon": "nar:{name}",
        "long": "nar/" + "x" * 5000,
        "own-narinfo": "{hash}.narinfo",
    }.items():
        yield f"url-{way}", signed, partial(_set_url, url)


def _set_url(url: str, sample: Sample) -> None:
    at = sample.value("URL")
    name = at.rpartition("/")[2]
    filled = url.replace("{url}", at).replace("{name}", name)
    sample.set("URL", filled.replace("{hash}", sample.base_name[:32]))
    for key in (f"files/deep/{name}", name, f"nar/\u00e4{name}", f"nar/+{name}", f"nar/ {name}"):
        sample.others[key] = sample.stored
