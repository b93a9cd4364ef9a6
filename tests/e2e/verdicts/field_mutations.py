"""Mutations of sizes, hashes, references, derivers and store paths."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from nix_cache.formats.nix_hash import NixHash
from tests.e2e.verdicts.samples import DEPENDENCIES, Made, Mutation, Sample

# Sizes.


def sizes(signed: Made) -> Iterator[Mutation]:
    values: dict[str, Callable[[int], str]] = {
        "0": lambda n: "0",
        "minus-1": lambda n: "-1",
        "minus-0": lambda n: "-0",
        "plus": lambda n: f"+{n}",
        "plus-plus": lambda n: f"++{n}",
        "leading-zeros": lambda n: f"000{n}",
        "thousand-leading-zeros": lambda n: f"{'0' * 5000}{n}",
        "one-more": lambda n: str(n + 1),
        "one-less": lambda n: str(n - 1),
        "eight-more": lambda n: str(n + 8),
        "ten-times": lambda n: str(n * 10),
        "2-to-the-63": lambda n: str(2**63),
        "2-to-the-63-less-1": lambda n: str(2**63 - 1),
        "2-to-the-64-less-1": lambda n: str(2**64 - 1),
        "2-to-the-64": lambda n: str(2**64),
        "wrapped": lambda n: str(2**64 + n),
        "4301-digits": lambda n: "1" * 4301,
        "hexadecimal": lambda n: hex(n),
        "octal": lambda n: oct(n),
        "exponent": lambda n: f"{n}e0",
        "decimal": lambda n: f"{n}.0",
        "underscore": lambda n: f"{str(n)[0]}_{str(n)[1:]}",
        "comma": lambda n: f"{str(n)[0]},{str(n)[1:]}",
        "arabic-digits": lambda n: str(n).translate({48 + i: 0x660 + i for i in range(10)}),
        "unit": lambda n: f"{n}K",
    }
    for field in ("NarSize", "FileSize"):
        for way, value in values.items():
            yield f"size-{field}-{way}", signed, partial(_set_size, field, value)
    yield "size-file-fields-missing", signed, partial(_dropped, "FileHash", "FileSize")
    yield "size-FileSize-missing", signed, partial(_dropped, "FileSize")


def _set_size(field: str, value: Callable[[int], str], sample: Sample) -> None:
    sample.set(field, value(int(sample.value(field))))
    sample.sign()


def _dropped(*fields_and_sample: "str | Sample") -> None:
    *fields, sample = fields_and_sample
    assert isinstance(sample, Sample)
    for field in fields:
        sample.drop(str(field))


# Hashes.


def _spelled(content: bytes) -> dict[str, str]:
    right = NixHash.of(content)
    base64_text = right.sri.partition("-")[2]
    wrong = NixHash("sha256", right.digest[::-1])
    others = {
        name: NixHash(name, hashlib.new(name, content).digest())
        for name in ("md5", "sha1", "sha512")
    }
    return {
        "nix32": right.nix32,
        "base16": right.base16,
        "base16-upper-case": f"sha256:{right.digest.hex().upper()}",
        "base64": f"sha256:{base64_text}",
        "sri": right.sri,
        "sri-without-padding": right.sri.rstrip("="),
        "sri-with-text-after-it": f"{right.sri}text",
        "sri-with-two-paddings": f"{right.sri}=",
        "base64-without-padding": f"sha256:{base64_text.rstrip('=')}",
        "base64-ends-oddly": f"sha256:{base64_text[:-2]}{_next(base64_text[-2])}=",
        "base64-url-alphabet": f"sha256:{base64_text.replace('+', '-').replace('/', '_')}",
        "base16-with-dash": f"sha256-{right.digest.hex()}",
        "without-algorithm": right.nix32.partition(":")[2],
        "algorithm-upper-case": right.nix32.replace("sha256", "SHA256"),
        "algorithm-unknown": right.nix32.replace("sha256", "sha3"),
        "algorithm-blake3": right.nix32.replace("sha256", "blake3"),
        "algorithm-empty": right.nix32.replace("sha256", ""),
        "algorithm-alone": "sha256:",
        "one-character-less": right.nix32[:-1],
        "one-character-more": f"{right.nix32}0",
        "character-of-no-alphabet": f"{right.nix32[:-1]}e",
        "too-large": f"sha256:z{right.nix32[8:]}",
        "blanks-within": f"sha256:{right.digest.hex()[:60]}    ",
        "wrong": wrong.nix32,
        "wrong-sri": wrong.sri,
        **{f"of-{name}": value.nix32 for name, value in others.items()},
        **{f"of-{name}-sri": value.sri for name, value in others.items()},
    }


def _next(digit: str) -> str:
    """Return a digit of base64 with other bits of those that padding leaves without a meaning."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return alphabet[alphabet.index(digit) ^ 1]


def hashes(signed: Made) -> Iterator[Mutation]:
    for spelling in _spelled(b""):
        yield f"hash-NarHash-{spelling}", signed, partial(_set_hash, "NarHash", spelling)
        yield f"hash-FileHash-{spelling}", signed, partial(_set_hash, "FileHash", spelling)


def _set_hash(field: str, spelling: str, sample: Sample) -> None:
    content = sample.nar if field == "NarHash" else sample.stored.body
    sample.set(field, _spelled(content)[spelling])
    sample.sign()


# References and derivers.


def references(signed: Made, store_dir: str) -> Iterator[Mutation]:
    first, second = sorted(Sample.signed(name, store_dir).base_name for name in DEPENDENCIES)
    absent = "0" * 32 + "-absent"
    for way, value in {
        "one": first,
        "two": f"{first} {second}",
        "unsorted": f"{second} {first}",
        "doubled": f"{first} {first}",
        "several-blanks": f"  {first}   {second}  ",
        "tab": f"{first}\t{second}",
        "itself": "{own}",
        "itself-and-another": f"{second} {{own}} {first}",
        "absent": absent,
        "absent-and-present": f"{absent} {first}",
        "full-path": f"{store_dir}/{first}",
        "hash-alone": first[:32],
        "without-name": f"{first[:32]}-",
        "upper-case": first.upper(),
        "with-folder": f"{first}/bin",
        "parent": "..",
        "comma": f"{first},{second}",
    }.items():
        yield f"references-{way}", signed, partial(_set_signed, "References", value)
    for way, lines in {
        "two-lines": [first, second],
        "empty-line-first": ["", first],
        "empty-line-last": [first, ""],
        "two-empty-lines": ["", ""],
    }.items():
        yield f"references-{way}", signed, partial(_set_lines, "References", lines)
    stale = partial(_set_stale, "References")
    yield "references-added-after-signing", signed, partial(stale, first)
    for way, value in {
        "odd-name": f"{first[:32]}-~.drv",
        "not-a-derivation": first,
        "unknown": "unknown-deriver",
        "full-path": f"{store_dir}/{first}.drv",
        "long": f"{first[:32]}-{'x' * 211}",
        "too-long": f"{first[:32]}-{'x' * 212}",
        "two": f"{first}.drv {second}.drv",
    }.items():
        yield f"deriver-{way}", signed, partial(_set_signed, "Deriver", value)


def _set_signed(field: str, value: str, sample: Sample) -> None:
    sample.set(field, value.replace("{own}", sample.base_name))
    sample.sign()


def _set_lines(field: str, values: list[str], sample: Sample) -> None:
    sample.drop(field)
    for value in values:
        sample.add(field, value)
    sample.sign()


def _set_stale(field: str, value: str, sample: Sample) -> None:
    sample.set(field, value)


# Store paths.


def store_paths(signed: Made) -> Iterator[Mutation]:
    for way, value in {
        "other-name": "{store}/{hash}-other",
        "other-hash": "{store}/" + "1" * 32 + "-sample",
        "other-store": "/other/store/{base}",
        "no-store": "{base}",
        "relative": "nix/store/{base}",
        "hash-alone": "{store}/{hash}",
        "double-slashes": "//nix//store//{base}",
        "trailing-slash": "{store}/{base}/",
        "dots": "/nix/./x/../store/{base}",
        "above-the-root": "/../nix/store/{base}",
        "within": "{store}/{base}/bin",
        "the-store": "{store}",
        "upper-case-hash": "{store}/{HASH}-sample",
        "blank-before": " {store}/{base}",
        "blank-after": "{store}/{base} ",
    }.items():
        yield f"path-stated-{way}", signed, partial(_state_path, value)
    yield (
        "path-renamed-after-signing",
        signed,
        partial(_state_path, "{store}/{hash}-other", sign=False),
    )
    yield "path-without-dash", signed, _without_dash
    for way, name in {
        "odd-characters": "a+b_c?d=e.f-g",
        "dash": "-",
        "begins-with-dot": ".hidden",
        "ends-with-dot": "x.",
        "dots-within": "a..b",
        "three-dots": "...",
        "digits": "0",
        "longest": "x" * 211,
        "derivation": "x.drv",
        "begins-with-question-mark": "?x",
    }.items():
        yield f"path-named-{way}", signed, partial(_rename, name)


def _without_dash(sample: Sample) -> None:
    sample.base_name = sample.base_name.replace("-", "_")
    sample.set("StorePath", sample.path)
    sample.sign_text(f"1;{sample.path};{sample.value('NarHash')};{sample.value('NarSize')};")


def _state_path(value: str, sample: Sample, *, sign: bool = True) -> None:
    base = sample.base_name
    stated = value.replace("{store}", sample.store_dir).replace("{base}", base)
    stated = stated.replace("{hash}", base[:32]).replace("{HASH}", base[:32].upper())
    sample.set("StorePath", stated)
    if sign:
        sample.sign()


def _rename(name: str, sample: Sample) -> None:
    sample.base_name = f"{sample.base_name[:32]}-{name}"
    sample.set("StorePath", sample.path)
    sample.sign()
