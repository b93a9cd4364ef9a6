"""The mutations: samples by name, each altered in one way."""

from collections.abc import Iterator
from functools import partial

from tests.e2e.verdicts import (
    answer_mutations,
    field_mutations,
    file_mutations,
    nar_mutations,
    text_mutations,
    trust_mutations,
)
from tests.e2e.verdicts.samples import DEPENDENCIES, Mutation, Sample


def all_samples(store_dir: str, cache_url: str) -> list[Sample]:
    """Every sample.

    Args:
        store_dir: the store.
        cache_url: where they are served.
    """
    made = []
    for name, base, alter in _table(store_dir, cache_url):
        sample = base(name)
        alter(sample)
        made.append(sample)
    names = [sample.name for sample in made]
    assert len(names) == len(set(names)), "two mutations have one name"
    return made


def _table(store_dir: str, cache_url: str) -> Iterator[Mutation]:
    signed = partial(Sample.signed, store_dir=store_dir)
    addressed = partial(Sample.addressed, store_dir=store_dir)
    for name in DEPENDENCIES:
        yield name, signed, lambda _: None
    yield from text_mutations.lines(signed, addressed)
    yield from text_mutations.texts(signed)
    yield from field_mutations.sizes(signed)
    yield from field_mutations.hashes(signed)
    yield from field_mutations.references(signed, store_dir)
    yield from field_mutations.store_paths(signed)
    yield from trust_mutations.signatures(signed)
    yield from trust_mutations.addresses(store_dir)
    yield from file_mutations.compressions(signed)
    yield from file_mutations.files(signed)
    yield from nar_mutations.nars(signed)
    yield from answer_mutations.answers(signed)
    yield from answer_mutations.urls(signed, cache_url)
