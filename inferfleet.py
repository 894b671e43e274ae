"""The front door: one lazy command group; every command is a thin call into a package."""

from __future__ import annotations

import sys

import click

from matrix.errors import FleetError


@click.group()
def cli() -> None:
    """A nightly LLM-inference benchmark fleet that fits its budget and loses no point silently."""


def main() -> None:
    """Exit codes: 0 ok, 1 the user can fix it, 2 usage, 3 a bug here, 130 interrupted."""
    try:
        cli(standalone_mode=False)
    except FleetError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)


if __name__ == "__main__":
    main()
