"""The commands of the front door that are about reference prompts. Thin calls; each imports what it needs."""

from __future__ import annotations

from pathlib import Path

import click

_MODEL = click.option("--model", default=None, help="Of a server with several. Default: the first it lists.")
_KEY = click.option("--api-key-env", default=None, help="Name of the environment variable that holds the server's key.")
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group("prompts")
def prompts_group() -> None:
    """Sets of reference prompts: natural text of an exact number of tokens."""


@prompts_group.command("build")
@click.option("--tokenizer", required=True, metavar="FILE|URL", help="A tokenizer.json, or a server with /tokenize.")
@click.option("--isl", required=True, metavar="N,..", help="Prompt tokens, as 1024,8192.")
@click.option(
    "--count", type=click.IntRange(8), default=128, show_default=True, help="Passages of each length at most."
)
@click.option("--corpus", type=_FILE, default=None, help="YAML that describes a text. Default: the one that ships.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("prompts"), show_default=True)
@_MODEL
@_KEY
def build_command(
    tokenizer: str, isl: str, count: int, corpus: Path | None, out: Path, model: str | None, api_key_env: str | None
) -> None:
    """Cut a text into passages of exactly so many tokens; prints the YAML that uses them."""
    from benchmarks.reference import commands

    if not all(part.isdecimal() and 0 < int(part) < 1_000_000 for part in isl.split(",")):
        raise click.BadParameter("write 1024, or 1024,8192", param_hint="--isl")
    encoder = commands.encoder_of(tokenizer, model, api_key_env)
    lengths = tuple(int(part) for part in isl.split(","))
    for line in commands.build_set(corpus or commands.SHIPPED_CORPUS, encoder, lengths, count, out):
        click.echo(line)


@prompts_group.command("verify")
@click.argument("path", metavar="SET", type=_FILE)
@click.option("--tokenizer", default=None, metavar="FILE|URL", help="Encode every passage again, with this one.")
@_MODEL
@_KEY
def verify_command(path: Path, tokenizer: str | None, model: str | None, api_key_env: str | None) -> None:
    """Check a set of reference prompts: its sha256, that no passages overlap, and that they are exact."""
    from benchmarks.reference import commands

    encoder = None if tokenizer is None else commands.encoder_of(tokenizer, model, api_key_env)
    for line in commands.verify_set(path, encoder):
        click.echo(line)
