"""The command line: ``daskrec recommend``, ``compare`` and others; ``daskrec --help``."""

import typer

from daskrec.cli import evaluation, models

app = typer.Typer(
    help="Recommend items to users from a log of interactions.",
    epilog="A first try without data of your own: daskrec demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
for command in (
    models.recommend,
    models.similar,
    models.demo,
    evaluation.split,
    evaluation.evaluate,
    evaluation.compare,
    evaluation.tune,
):
    app.command()(command)


def main() -> None:
    """Run the command line; the entry point of the package."""
    app()
