"""`inferfleet prompts`: making sets of reference prompts, and proving them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from benchmarks.bench.ask import Server, address_of
from benchmarks.reference.build import build, prove
from benchmarks.reference.encoders import file_encoder, server_encoder
from benchmarks.reference.sets import SHIPPED, Corpus, digest_of, read_set, write_set
from benchmarks.requests import auth_headers
from matrix.errors import FleetError
from matrix.facts import Fact, Id, Sha256
from matrix.yamlfile import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.reference.encoders import Encoder

SHIPPED_CORPUS = SHIPPED / "state-of-the-union.yaml"


class CorpusFile(Fact, frozen=True, kw_only=True):
    """What stands beside a text: `file` is its name in the same folder."""

    name: Id
    version: str
    file: str
    sha256: Sha256
    source: str
    licence: str


def read_corpus(path: Path) -> tuple[Corpus, str]:
    """The text a description speaks of. Raises FleetError if it is another one, or nobody may use it."""
    try:
        said = msgspec.convert(read_yaml(path).value, CorpusFile)
    except msgspec.ValidationError as error:
        raise FleetError(f"{path}: does not describe a text: {error}") from None
    if not (said.source.strip() and said.licence.strip()):
        raise FleetError(f"{path}: say where the text is from (`source`) and why it may be used (`licence`)")
    data = (path.parent / Path(said.file).name).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != said.sha256:
        raise FleetError(f"{path.parent / said.file}: its sha256 is {found}, and {path.name} says {said.sha256}")
    corpus = Corpus(
        name=said.name, version=said.version, sha256=found, source=said.source.strip(), licence=said.licence.strip()
    )
    return corpus, data.decode()


def encoder_of(tokenizer: str, model: str | None, api_key_env: str | None) -> Encoder:
    """Of a `tokenizer.json`, or of a server if it looks like an address."""
    if "://" in tokenizer:
        return server_encoder(Server(address=address_of(tokenizer), headers=auth_headers(api_key_env)), model)
    if not Path(tokenizer).is_file():
        raise FleetError(f"{tokenizer}: is no file, and no address of a server (http://...)")
    return file_encoder(Path(tokenizer))


def build_set(corpus_path: Path, encoder: Encoder, isls: tuple[int, ...], count: int, out: Path) -> Iterator[str]:
    """Makes and writes a set; lines for whoever asked for it, with the YAML that uses it."""
    corpus, raw = read_corpus(corpus_path)
    built = build(corpus, raw, encoder, isls, count)
    path, digest = write_set(built.made, out), digest_of(built.made)
    counts = ", ".join(f"{len(starts)} of {isl} tokens" for isl, starts in built.made.passages.items())
    yield f"{path}: {counts}; {built.refused} more were not exact and left out"
    yield f'# of the model: tokenizer: "{built.made.tokenizer.fingerprint}"'
    yield "# workloads:"
    for isl in built.made.passages:
        yield f"reference-{isl}-128:"
        yield "  kind: reference"
        yield f"  name: {isl} of {corpus.name} in, 128 out"
        yield f'  set: "{digest}"'
        yield f'  tokenizer: "{built.made.tokenizer.fingerprint}"'
        yield f"  isl: {isl}"
        yield "  osl: 128"


def verify_set(path: Path, encoder: Encoder | None) -> Iterator[str]:
    """What a set is, and with a tokenizer, how many of its prompts are exact. Raises FleetError unless all are."""
    made, digest = read_set(path)
    counts = ", ".join(f"{len(starts)} of {isl} tokens" for isl, starts in made.passages.items())
    yield f"{digest}: {made.corpus.name} {made.corpus.version}, disjoint passages: {counts}"
    yield f"text: {made.corpus.source}; {made.corpus.licence}"
    yield f"tokenizer: {made.tokenizer.fingerprint} ({made.tokenizer.made_with})"
    if encoder is None:
        return
    proofs = prove(made, encoder)
    for proof in proofs:
        yield f"{proof.isl} tokens: {proof.exact} of {proof.prompts} prompts exact with {encoder.made_with}"
    if any(proof.exact < proof.prompts for proof in proofs):
        raise FleetError(f"{path}: not every prompt is exact: make the set anew with `inferfleet prompts build`")
