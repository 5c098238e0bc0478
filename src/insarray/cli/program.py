"""The program `insarray`: its sections, its version, and what comes before every command."""

import click

from insarray._version import __version__
from insarray.cli.commands import Sections
from insarray.cli.say import echo


@click.pass_context
def _before(context: click.Context, *, version: bool, verbose: int) -> None:
    if version:
        _show_version(full=verbose > 0)
    elif context.invoked_subcommand is None:
        echo(context.get_help())
    elif verbose:
        from insarray.cli.process import show_log

        show_log(debug=verbose > 1)


def _show_version(*, full: bool) -> None:
    if not full:
        echo(f"insarray, version {__version__}")
        return
    from insarray.versions import show_versions

    show_versions()


cli = Sections(
    "insarray",
    "insarray.cli",
    help="InSAR time series from stacks of interferograms, from a laptop to a cluster.",
    sections=("Start", "Open", "Invert", "Quality", "Model", "Components", "Points", "Export", "Peers"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
    callback=_before,
    params=[
        click.Option(["--version"], is_flag=True, help="Show the version; with --verbose those of all libraries, too."),
        click.Option(["-v", "--verbose"], count=True, help="Print each step to stderr; twice: what was decided, too."),
    ],
)
