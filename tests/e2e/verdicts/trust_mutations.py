"""Mutations of signatures and content addresses."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from functools import partial

from nix_cache.formats import signing
from nix_cache.formats.content_address import Method
from nix_cache.formats.nix_hash import NixHash
from tests.e2e.verdicts.samples import (
    DEPENDENCIES,
    KEY,
    STRANGER,
    Alter,
    Made,
    Mutation,
    Sample,
    directory,
    link,
    nar,
    regular,
)

IMPOSTOR = signing.generate(KEY.name)
"""A key of a stranger that has the name of the trusted one."""


def _flipped(signature: str) -> str:
    name, _, encoded = signature.partition(":")
    material = bytearray(base64.b64decode(encoded))
    material[5] ^= 1
    return f"{name}:{base64.b64encode(material).decode()}"


def _short(key: signing.SecretKey) -> str:
    return f"{key.name}:{base64.b64encode(bytes(63)).decode()}"


def signatures(signed: Made) -> Iterator[Mutation]:
    """By other keys, several, malformed and stale ones."""
    ways: dict[str, Callable[[str, str, str], list[str]]] = {
        "none": lambda right, other, impostor: [],
        "by-a-stranger": lambda right, other, impostor: [other],
        "by-a-stranger-and-right": lambda right, other, impostor: [other, right],
        "right-and-by-a-stranger": lambda right, other, impostor: [right, other],
        "by-an-impostor": lambda right, other, impostor: [impostor],
        "by-an-impostor-and-right": lambda right, other, impostor: [impostor, right],
        "right-and-by-an-impostor": lambda right, other, impostor: [right, impostor],
        "doubled": lambda right, other, impostor: [right, right],
        "flipped": lambda right, other, impostor: [_flipped(right)],
        "flipped-and-right": lambda right, other, impostor: [_flipped(right), right],
        "short": lambda right, other, impostor: [_short(KEY)],
        "short-and-right": lambda right, other, impostor: [_short(KEY), right],
        "right-and-short": lambda right, other, impostor: [right, _short(KEY)],
        "short-by-a-stranger-and-right": lambda right, other, impostor: [_short(STRANGER), right],
        "one-byte-by-a-stranger": lambda right, other, impostor: ["s-1:AA==", right],
        "no-byte-by-a-stranger": lambda right, other, impostor: ["s-1:A", right],
        "long": lambda right, other, impostor: [right.replace("==", "AA")],
        "without-padding": lambda right, other, impostor: [right.rstrip("=")],
        "one-padding": lambda right, other, impostor: [right[:-1]],
        "text-after-padding": lambda right, other, impostor: [f"{right}, and more"],
        "text-instead": lambda right, other, impostor: [f"{KEY.name}:garbage!"],
        "text-by-a-stranger-and-right": lambda right, other, impostor: ["s-1:garbage!", right],
        "blank-within": lambda right, other, impostor: [f"{right[:60]} {right[60:]}"],
        "blank-before-base64": lambda right, other, impostor: [right.replace(":", ": ")],
        "url-alphabet": lambda right, other, impostor: [
            right[: len(KEY.name) + 1]
            + right[len(KEY.name) + 1 :].replace("+", "-").replace("/", "_")
        ],
        "name-alone": lambda right, other, impostor: [KEY.name],
        "name-and-colon": lambda right, other, impostor: [f"{KEY.name}:"],
        "without-name": lambda right, other, impostor: [right.partition(":")[2]],
        "empty-name": lambda right, other, impostor: [f":{right.partition(':')[2]}"],
        "colon-alone": lambda right, other, impostor: [":"],
        "empty": lambda right, other, impostor: [""],
        "empty-and-right": lambda right, other, impostor: ["", right],
        "two-colons": lambda right, other, impostor: [right.replace(":", "::")],
        "name-upper-case": lambda right, other, impostor: [
            right.replace(KEY.name, KEY.name.upper())
        ],
        "name-with-blank": lambda right, other, impostor: [f"{KEY.name} :{right[31:]}"],
        "name-odd": lambda right, other, impostor: ["\u00e4 ~:AAAA", right],
        "hundred": lambda right, other, impostor: [*[f"s-{n}:AAAA" for n in range(99)], right],
        "thousand-wrong": lambda right, other, impostor: [
            f"{KEY.name}:{base64.b64encode(n.to_bytes(64, 'big')).decode()}" for n in range(1000)
        ],
    }
    for way, lines in ways.items():
        yield f"signature-{way}", signed, partial(_sign_with, lines)
    yield "signature-of-another-path", signed, _sign_as_another
    for field in ("StorePath", "NarHash", "NarSize", "References", "Deriver", "URL"):
        yield f"signature-before-{field}-changed", signed, partial(_change_after, field)


def _sign_with(lines: Callable[[str, str, str], list[str]], sample: Sample) -> None:
    right, other, impostor = (sample.signature(key) for key in (KEY, STRANGER, IMPOSTOR))
    sample.drop("Sig")
    for line in lines(right, other, impostor):
        sample.add("Sig", line)


def _sign_as_another(sample: Sample) -> None:
    other = Sample.signed(f"{sample.name}-other", sample.store_dir)
    sample.set("Sig", other.value("Sig"))


def _change_after(field: str, sample: Sample) -> None:
    changed = {
        "StorePath": f"{sample.path}x",
        "NarHash": NixHash.of(b"other").nix32,
        "NarSize": "120",
        "References": Sample.signed(DEPENDENCIES[0], sample.store_dir).base_name,
        "Deriver": f"{'1' * 32}-other.drv",
        "URL": f"./{sample.value('URL')}",
    }
    sample.set(field, changed[field])


def addresses(store_dir: str) -> Iterator[Mutation]:
    """Right, wrong and malformed content addresses, with and without a signature."""
    signed = partial(Sample.signed, store_dir=store_dir)
    tree_made = partial(Sample.addressed, store_dir=store_dir)
    for method in Method:
        for algorithm in ("sha256", "sha512", "sha1", "md5"):
            if (method, algorithm != "sha256") == (Method.TEXT, True):
                continue  # no path follows from it
            made = partial(tree_made, method=method, algorithm=algorithm)
            name = f"address-{method.name.lower()}-{algorithm}"
            yield name, made, lambda _: None
            yield f"{name}-other-content", made, _other_content
            yield f"{name}-other-content-readdressed", made, _readdressed
    ways: dict[str, Alter] = {
        "signed": Sample.sign,
        "signed-by-a-stranger": partial(_sign_by, STRANGER),
        "badly-signed": partial(_add_signature, _short(KEY)),
        "with-garbage-as-signature": partial(_add_signature, "garbage"),
        "other-content-signed": partial(_other_content, sign=True),
    }
    for way, alter in ways.items():
        yield f"address-{way}", tree_made, alter
    itself = partial(tree_made, refers_to_self=True)
    yield "address-of-itself", itself, lambda _: None
    yield "address-of-itself-other-content", itself, _other_content
    yield "address-of-itself-not-stated", itself, partial(_without_references)
    yield from _altered(tree_made)
    yield from _on_signed(signed)


def _altered(tree_made: Made) -> Iterator[Mutation]:
    """Of a path that follows from its content, another content address."""
    for way, alter in {
        "garbage": lambda ca: "garbage",
        "tampered": lambda ca: f"{ca[:15]}{'1' if ca[15] != '1' else '0'}{ca[16:]}",
        "empty": lambda ca: "",
        "as-text": lambda ca: ca.replace("fixed:r:", "text:"),
        "as-flat": lambda ca: ca.replace("fixed:r:", "fixed:"),
        "as-git": lambda ca: ca.replace("fixed:r:", "fixed:git:"),
        "as-source": lambda ca: ca.replace("fixed:r:", "source:"),
        "as-text-of-a-tree": lambda ca: ca.replace("fixed:r:", "text:r:"),
        "without-method": lambda ca: ca.replace("fixed:r:", ""),
        "without-hash": lambda ca: "fixed:r:sha256:",
        "without-algorithm": lambda ca: ca.replace("sha256:", ""),
        "sri": lambda ca: f"fixed:r:{NixHash.parse(ca[8:]).sri}",
        "base16": lambda ca: f"fixed:r:{NixHash.parse(ca[8:]).base16}",
        "base64": lambda ca: f"fixed:r:sha256:{NixHash.parse(ca[8:]).sri[7:]}",
        "upper-case": lambda ca: ca.upper(),
        "algorithm-upper-case": lambda ca: ca.replace("sha256", "SHA256"),
        "algorithm-blake3": lambda ca: ca.replace("sha256", "blake3"),
        "blank-before": lambda ca: f" {ca}",
        "blank-after": lambda ca: f"{ca} ",
        "text-after": lambda ca: f"{ca}:x",
    }.items():
        yield f"address-altered-{way}", tree_made, partial(_readdress, alter)
        signed = partial(_readdress, alter, sign=True)
        yield f"address-altered-{way}-signed", tree_made, signed
    yield "address-twice", tree_made, lambda sample: sample.add("CA", sample.value("CA"))
    yield "address-and-an-empty-one", tree_made, lambda sample: sample.add("CA", "")
    yield "address-after-an-empty-one", tree_made, lambda s: s.add("CA", "", first=True)
    yield "address-with-a-reference", tree_made, _refers
    yield "address-with-a-reference-signed", tree_made, partial(_refers, sign=True)
    yield "address-with-other-name", tree_made, _other_name


def _on_signed(signed: Made) -> Iterator[Mutation]:
    """Of a path that does not follow from its content, a content address besides the signature."""
    flat, tree = "fixed:", "fixed:r:"
    for way, address in {
        "right-for-the-nar": lambda sample: f"{tree}{NixHash.of(sample.nar).nix32}",
        "right-for-the-nar-sha1": lambda sample: f"{tree}{_sha1(sample.nar)}",
        "wrong-for-the-nar": lambda sample: f"{tree}{NixHash.of(b'').nix32}",
        "flat-of-a-directory": lambda sample: f"{flat}{NixHash.of(b'').nix32}",
        "text-of-a-directory": lambda sample: f"text:{NixHash.of(b'').nix32}",
        "text-in-sha1": lambda sample: f"text:{_sha1(b'')}",
    }.items():
        yield f"address-on-signed-{way}", signed, partial(_add_address, address)
    for way, content in {
        "file": regular(b"content"),
        "executable": regular(b"content", executable=True),
        "link": link("content"),
        "directory": directory(),
    }.items():
        made = partial(signed, content=nar(content))
        yield f"address-on-signed-flat-{way}", made, partial(_add_address, _flat_content)
    for way, method in {"flat": flat, "text": "text:", "tree": tree}.items():
        for name in ("itself", "another"):
            reference = "self" if name == "itself" else DEPENDENCIES[0]
            made = partial(signed, content=nar(regular(b"content")))
            text = f"{method}{NixHash.of(b'content').nix32}"
            alter = partial(_refers_and_address, reference, text)
            yield f"address-on-signed-{way}-refers-to-{name}", made, alter


def _flat_content(_: Sample) -> str:
    return f"fixed:{NixHash.of(b'content').nix32}"


def _sha1(content: bytes) -> str:
    return NixHash("sha1", hashlib.sha1(content).digest()).nix32


def _add_address(address: Callable[[Sample], str], sample: Sample) -> None:
    sample.set("CA", address(sample))
    sample.sign()


def _refers_and_address(reference: str, address: str, sample: Sample) -> None:
    other = Sample.signed(DEPENDENCIES[0], sample.store_dir).base_name
    sample.set("References", sample.base_name if reference == "self" else other)
    sample.set("CA", address)
    sample.sign()


def _other_content(sample: Sample, *, sign: bool = False) -> None:
    sample.store(nar(regular(b"other content")))
    if sign:
        sample.sign()


def _readdressed(sample: Sample) -> None:
    """Another content with the content address of that, under the old path."""
    other = Sample.addressed(f"{sample.name}-other", sample.store_dir)
    sample.store(other.nar)
    sample.set("CA", other.value("CA"))


def _sign_by(key: signing.SecretKey, sample: Sample) -> None:
    sample.sign(key)


def _add_signature(signature: str, sample: Sample) -> None:
    sample.add("Sig", signature)


def _without_references(sample: Sample) -> None:
    sample.set("References", "")


def _readdress(alter: Callable[[str], str], sample: Sample, *, sign: bool = False) -> None:
    sample.set("CA", alter(sample.value("CA")))
    if sign:
        sample.drop("Sig")
        body = sample.narinfo.body
        sample.drop("CA")
        signature = sample.signature()  # which does not cover the content address
        sample.narinfo.body = body + f"Sig: {signature}\n".encode()


def _refers(sample: Sample, *, sign: bool = False) -> None:
    sample.set("References", Sample.signed(DEPENDENCIES[0], sample.store_dir).base_name)
    if sign:
        sample.sign()


def _other_name(sample: Sample) -> None:
    sample.base_name = f"{sample.base_name[:32]}-other"
    sample.set("StorePath", sample.path)
