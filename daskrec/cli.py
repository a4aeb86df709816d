"""The command line: ``daskrec recommend``, ``similar`` and ``demo``."""

import ast
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Recommend items to users from a log of interactions.",
    epilog="A first try without data of your own: daskrec demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_SHOWN_USERS = 3

Log = Annotated[
    str,
    typer.Argument(
        help="Interactions: a path, glob or URL of Parquet or CSV files with a column of users "
        "(user_idx, user_id, ...), one of items (item_idx, item_id, ...) and, if there is one, "
        "relevance or rating."
    ),
]
# Short names of the models that need a log alone.
_MODELS = {
    "als": "ALSWrap",
    "knn": "KNN",
    "rules": "AssociationRulesItemRec",
    "pop": "PopRec",
    "userpop": "UserPopRec",
    "wilson": "Wilson",
    "ucb": "UCB",
    "klucb": "KLUCB",
    "thompson": "ThompsonSampling",
    "random": "RandomRec",
}
ModelName = Annotated[str, typer.Option("--model", "-m", help=f"One of {', '.join(_MODELS)}.")]
K = Annotated[int, typer.Option("--k", "-k", help="Items for each user.", min=0)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Write the result there, as Parquet.")]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", help="A parameter of the model, such as rank=64; may be repeated."
    ),
]
Ids = Annotated[
    str | None,
    typer.Option(help="Ids, separated by commas, or a file: .txt (one a line), .csv or .parquet."),
]
Save = Annotated[Path | None, typer.Option(help="Save the fitted model to this folder.")]
Load = Annotated[
    Path | None, typer.Option(help="Use the model saved in this folder instead of fitting one.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786; threads without it."),
]
Column = Annotated[str | None, typer.Option(help="Name of this column, where it is another one.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell what is done.")]


@app.command()
def recommend(
    log: Log,
    out: Out,
    model: ModelName = "als",
    k: K = 10,
    users: Ids = None,
    items: Ids = None,
    param: Params = None,
    keep_seen: Annotated[
        bool, typer.Option("--keep-seen", help="Recommend what users had before, too.")
    ] = False,
    save: Save = None,
    load: Load = None,
    scheduler: Scheduler = None,
    user_column: Column = None,
    item_column: Column = None,
    relevance_column: Column = None,
    verbose: Verbose = False,
) -> None:
    """Write the K best items for each user.

    Example: daskrec recommend ratings.parquet --model als --param rank=64 --out recs.parquet
    """
    with _plain_errors(verbose), _on(scheduler):
        columns = (user_column, item_column, relevance_column)
        path, chosen = _parquet(out), (_ids(users), _ids(items))
        frame = _read(log, dict(zip(("user", "item", "relevance"), columns, strict=True)))
        fitted = _fitted(frame, _ready(model, param, load), save)
        start = perf_counter()
        fitted.predict(frame, k, *chosen, not keep_seen, recs_file_path=path)
        _say(f"{fitted}: recommended in {perf_counter() - start:.1f} s")
        _show(out)


@app.command()
def similar(
    log: Log,
    items: Annotated[
        str, typer.Option(help="Ids, separated by commas, or a file (.txt, .csv, .parquet).")
    ],
    model: ModelName = "knn",
    k: K = 10,
    metric: Annotated[
        str | None,
        typer.Option(
            help="For als: cosine_similarity, dot_product, euclidean_distance_sim; for rules: "
            "lift, confidence, confidence_gain."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the result there, as Parquet.")] = None,
    param: Params = None,
    save: Save = None,
    load: Load = None,
    scheduler: Scheduler = None,
    user_column: Column = None,
    item_column: Column = None,
    relevance_column: Column = None,
    verbose: Verbose = False,
) -> None:
    """Print the K items most similar to each of some items.

    Example: daskrec similar ratings.parquet --items 1,50 --k 5
    """
    with _plain_errors(verbose), _on(scheduler):
        columns = (user_column, item_column, relevance_column)
        chosen, path = _ids(items), None if out is None else _parquet(out)
        frame = _read(log, dict(zip(("user", "item", "relevance"), columns, strict=True)))
        ready = _ready(model, param, load)
        if not ready.can_predict_item_to_item:
            raise ValueError(f"{ready} has no item-to-item recommendations: use knn, als or rules")
        options = {} if metric is None else {"metric": metric}
        found = _fitted(frame, ready, save).get_nearest_items(chosen, k, **options)
        found = found.compute() if hasattr(found, "compute") else found
        if path is not None:
            found.to_parquet(path)
            _say(f"written: {path}")
        typer.echo(found.to_string(index=False))


@app.command()
def demo(
    out: Out = Path("daskrec-demo.parquet"),
    model: ModelName = "als",
    k: K = 10,
    users: Annotated[int, typer.Option(help="Users of the generated log.", min=10)] = 5_000,
    items: Annotated[int, typer.Option(help="Items of the generated log.", min=100)] = 1_000,
    seed: Annotated[int, typer.Option(help="Seed of the log and of the model.")] = 0,
    param: Params = None,
    scheduler: Scheduler = None,
    verbose: Verbose = False,
) -> None:
    """Generate a log, fit a model on it, and write recommendations."""
    with _plain_errors(verbose), _on(scheduler):
        from daskrec.datasets import synthetic

        _say(f"generating a log of {users:,} users and {items:,} items")
        log = synthetic(users, items, seed=seed)
        seeds = [f"seed={seed}"] if model.lower() in {"als", "alswrap"} else []
        path = _parquet(out)
        fitted = _fitted(log, _ready(model, [*seeds, *(param or [])], None), None)
        fitted.predict(log, k, recs_file_path=path)
        _show(out)


def main() -> None:
    """Run the command line; the entry point of the package."""
    app()


@contextmanager
def _plain_errors(verbose: bool) -> Iterator[None]:
    """Tell warnings and errors of the input in a line each; exit 2 for those errors."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        typer.echo(f"daskrec: warning: {message}", err=True)

    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        try:
            yield
        except (ValueError, OSError, NotImplementedError, ImportError) as error:
            if verbose:
                raise
            lines = str(error).strip().splitlines() or [type(error).__name__]
            typer.echo(f"daskrec: error: {lines[0]}", err=True)
            raise typer.Exit(2) from None


@contextmanager
def _on(scheduler: str | None) -> Iterator[None]:
    """Run on a Dask cluster, or in threads of this process."""
    if scheduler is None:
        yield
        return
    from daskrec.engine import runtime

    with runtime.connected(scheduler):
        yield


def _read(log: str, renamed: dict[str, str | None]) -> Any:
    """Open a log; columns that the caller names get the names that daskrec knows."""
    from daskrec.data.columns import SPELLINGS
    from daskrec.data.paths import open_frame

    frame = open_frame(log)
    chosen = {name: SPELLINGS[role][0] for role, name in renamed.items() if name is not None}
    missing = [name for name in chosen if name not in frame.columns]
    if missing:
        raise ValueError(f"the log has no column {missing}: it has {list(frame.columns)}")
    known = {role: set(SPELLINGS[role]) for role, name in renamed.items() if name is not None}
    others = [
        name
        for name in frame.columns
        if name not in chosen and any(name in spellings for spellings in known.values())
    ]
    return frame.drop(columns=others).rename(columns=chosen) if chosen else frame


def _ready(name: str, params: list[str] | None, load: Path | None) -> Any:
    """Return a model: loaded, or made with its parameters."""
    if load is None:
        return _model(name, params or [])
    import daskrec

    return daskrec.load(load)


def _fitted(frame: Any, model: Any, save: Path | None) -> Any:
    """Fit a model that is not fitted yet, and save it where that is asked for."""
    if save is not None and save.exists():
        raise FileExistsError(f"{save} exists: name another folder for --save")
    if model._catalogue is not None:
        return model
    start = perf_counter()
    model.fit(frame)
    _say(
        f"{model!r}: fitted on {model.users_count:,} users and {model.items_count:,} items "
        f"in {perf_counter() - start:.1f} s"
    )
    if save is not None:
        model.save(save)
        _say(f"saved: {save}")
    return model


def _model(name: str, params: list[str]) -> Any:
    """Make a model by its short name or its class name."""
    from daskrec import models

    known = _MODELS | {full.lower(): full for full in _MODELS.values()}
    if name.lower() not in known:
        raise ValueError(f"no model is called {name!r}: there are {', '.join(_MODELS)}")
    pairs = [entry.partition("=") for entry in params]
    wrong = [key for key, sign, _ in pairs if not sign]
    if wrong:
        raise ValueError(f"--param takes name=value, not {wrong[0]!r}")
    model = getattr(models, known[name.lower()])()
    return model.set_params(**{key: _literal(value) for key, _, value in pairs})


def _literal(text: str) -> Any:
    """Return the number, truth value or None that a text spells, else the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _ids(given: str | None) -> Any:
    """Return the ids that an option names."""
    if given is None:
        return None
    path = Path(given)
    if path.suffix in {".csv", ".parquet", ".pq"} or "://" in given:
        from daskrec.data.paths import open_frame

        return open_frame(given, "the file of ids")
    if path.suffix == ".txt" or path.is_file():
        words = path.read_text(encoding="utf-8").split("\n")
    else:
        words = given.split(",")
    words = [word.strip() for word in words if word.strip()]
    try:
        return [int(word) for word in words]
    except ValueError:
        return words


def _parquet(out: Path) -> str:
    if out.suffix.lower() in {".csv", ".tsv", ".txt", ".json"}:
        raise ValueError(f"results are written as Parquet: name {out.with_suffix('.parquet')}")
    return str(out)


def _show(out: Path) -> None:
    """Print the lists of the first users, and where all of them are."""
    import pyarrow.dataset as ds

    written = ds.dataset(str(out))
    user, item, relevance = written.schema.names
    head = written.head(1000).to_pandas()
    for name, rows in list(head.groupby(user, sort=False))[:_SHOWN_USERS]:
        best = ", ".join(
            f"{i} ({r:.3f})" for i, r in zip(rows[item][:5], rows[relevance][:5], strict=True)
        )
        typer.echo(f"{user} {name}: {best}" + (", ..." if len(rows) > 5 else ""))
    typer.echo(f"{written.count_rows():,} recommendations written to {out}")


def _say(text: str) -> None:
    typer.echo(text, err=not sys.stdout.isatty())
