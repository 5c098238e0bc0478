"""``insarray config`` and ``insarray run``: one file for the whole chain. Heavy imports happen inside commands."""

import click


@click.command()
def config() -> None:
    """Print a file for insarray run, with every option explained: insarray config > config.yaml."""
    from insarray.cli.recipe_template import template

    click.echo(template(), nl=False)


@click.command()
@click.argument("recipe", metavar="CONFIG")
@click.option("--dry-run", is_flag=True, help="Check everything and print the commands; compute nothing.")
@click.option("--restart", is_flag=True, help="Delete the stores of an earlier run of CONFIG and start over.")
def run(recipe: str, dry_run: bool, restart: bool) -> None:
    """Do all steps that CONFIG (YAML) asks for, from the interferograms to pictures and a report.

    The whole file is checked before anything starts. The same command again goes on where it was interrupted.
    """
    from insarray.cli.recipe import execute

    execute(recipe, dry_run=dry_run, restart=restart)
