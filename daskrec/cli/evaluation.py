"""``daskrec split``, ``evaluate``, ``compare`` and ``tune``: models on trial."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from daskrec.cli.inputs import (
    literal,
    make_model,
    make_models,
    on_scheduler,
    parameters,
    parquet_path,
    plain_errors,
    read_log,
    say,
)
from daskrec.cli.options import K, Log, ModelName, Params, Save, Scheduler, Verbose

# Short names of splitters; those whose main parameter has a usual value, with it.
_SPLITTERS = {
    "date": "DateSplitter",
    "time": "TimeSplitter",
    "random": "RandomSplitter",
    "newusers": "NewUsersSplitter",
    "coldusers": "ColdUserRandomSplitter",
    "user": "UserSplitter",
    "last": "LastNSplitter",
    "ratio": "RatioSplitter",
    "next": "RandomNextNSplitter",
}
By = Annotated[
    str,
    typer.Option(
        help="How the log is split: a name and its main parameter, such as time=0.2, last=1, "
        f"ratio=0.3 or date=2019-01-01. Names: {', '.join(_SPLITTERS)}."
    ),
]
Ks = Annotated[str, typer.Option("--k", "-k", help="Lengths of lists, separated by commas.")]
Metrics = Annotated[
    str, typer.Option(help="Metrics, separated by commas, such as ndcg,map,coverage.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of what is drawn.")]
_DEFAULT_SPLIT = "time=0.2"


def split(
    log: Log,
    train: Annotated[Path, typer.Option(help="Write the training part there, as Parquet.")],
    test: Annotated[Path, typer.Option(help="Write the test part there, as Parquet.")],
    by: By = _DEFAULT_SPLIT,
    param: Params = None,
    scheduler: Scheduler = None,
    verbose: Verbose = False,
) -> None:
    """Split a log into a train and a test part.

    Example: daskrec split ratings.parquet --by last=1 --train train.parquet --test test.parquet
    """
    with plain_errors(verbose), on_scheduler(scheduler):
        import dask

        from daskrec.data.output import refuse_foreign_folder
        from daskrec.engine.arrays import open_folder

        paths = [parquet_path(train), parquet_path(test)]
        for path in paths:
            refuse_foreign_folder(*open_folder(path))
        parts = _splitter(by, param).split(read_log(log))
        options = {"write_index": False, "overwrite": True, "compute": False}
        dask.compute(*(part.to_parquet(p, **options) for part, p in zip(parts, paths, strict=True)))
        say(f"written: {train} and {test}")


def evaluate(
    recs: Annotated[str, typer.Argument(help="Recommendations: users, items and relevance.")],
    truth: Annotated[str, typer.Argument(help="What users had: users and items.")],
    metrics: Metrics = "hitrate,precision,recall,map,mrr,ndcg",
    k: Ks = "10",
    train: Annotated[
        str | None,
        typer.Option(help="Log of the training, for coverage, surprisal and novelty."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table there, as CSV.")] = None,
    scheduler: Scheduler = None,
    verbose: Verbose = False,
) -> None:
    """Print how good recommendations are.

    Example: daskrec evaluate recs.parquet test.parquet --metrics ndcg,recall --k 5,10
    """
    with plain_errors(verbose), on_scheduler(scheduler):
        import pandas as pd

        from daskrec.metrics import evaluate as measure

        found = measure(_metrics(metrics), recs, truth, _depths(k), train=train)
        table = pd.DataFrame(
            {depth: [found.mean(name, depth) for name in found.names] for depth in found.ks},
            index=pd.Index(found.names, name="metric"),
        ).rename(columns=lambda depth: f"@{depth}")
        if out is not None:
            table.to_csv(out)
        typer.echo(table.to_string(float_format="{:.6f}".format))


def compare(
    log: Log,
    models: Annotated[str, typer.Option(help="Models, separated by commas: pop,knn,als.")],
    by: By = _DEFAULT_SPLIT,
    test: Annotated[
        str | None,
        typer.Option(help="Test on this log, and train on the whole of LOG, instead of splitting."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(help="Metrics, separated by commas; the usual ones without it.")
    ] = None,
    k: Ks = "10",
    report: Annotated[
        Path | None, typer.Option(help="Write a report there, as HTML, to open in a browser.")
    ] = None,
    titles: Annotated[
        str | None, typer.Option(help="Items with titles for the report: a Parquet or CSV file.")
    ] = None,
    param: Params = None,
    seed: Seed = 0,
    scheduler: Scheduler = None,
    verbose: Verbose = False,
) -> None:
    """Fit models on one part of a log and compare them on the other.

    Parameters are given to every model that has them, or to one alone: --param als.rank=64.

    Example: daskrec compare ratings.parquet --models pop,knn,als --report report.html
    """
    with plain_errors(verbose), on_scheduler(scheduler):
        from daskrec.comparison import compare as measure

        if report is not None and report.suffix.lower() not in {".html", ".htm"}:
            raise ValueError(f"the report is a page: name {report.with_suffix('.html')}")
        fitted = make_models(models, param or [], seed)
        train, held = _parts(log, test, by)
        chosen = None if metrics is None else _metrics(metrics)
        found = measure(fitted, train, held, chosen, _depths(k), seed=seed or 0)
        shown = [name for name in found.results if not str(name).endswith(("_low", "_high"))]
        typer.echo(found.results[shown].to_string(float_format="{:.4f}".format))
        if report is not None:
            found.report(report, titles=_items(titles))
            say(f"written: {report}")


def tune(
    log: Log,
    model: ModelName = "knn",
    by: By = _DEFAULT_SPLIT,
    test: Annotated[
        str | None,
        typer.Option(help="Test on this log, and train on the whole of LOG, instead of splitting."),
    ] = None,
    metric: Annotated[str, typer.Option(help="What is to be large.")] = "ndcg",
    k: K = 10,
    budget: Annotated[int, typer.Option(help="Number of trials.", min=1)] = 10,
    border: Annotated[
        list[str] | None,
        typer.Option(
            "--border",
            "-b",
            help="What is searched, such as num_neighbours=5,200; may be repeated. "
            "Without it, the space of the model.",
        ),
    ] = None,
    param: Params = None,
    seed: Seed = 0,
    parallel: Annotated[int, typer.Option(help="Trials side by side.", min=1)] = 1,
    save: Save = None,
    scheduler: Scheduler = None,
    verbose: Verbose = False,
) -> None:
    """Search for the parameters with which a model recommends best.

    Example: daskrec tune ratings.parquet --model knn --budget 20 --save model
    """
    with plain_errors(verbose), on_scheduler(scheduler):
        if save is not None and save.exists():
            raise FileExistsError(f"{save} exists: name another folder for --save")
        ready = make_model(model, param or [])
        train, held = _parts(log, test, by)
        start = perf_counter()
        with _quiet_trials(verbose):
            best = ready.optimize(
                train,
                held,
                param_borders=_borders(border),
                criterion=_metrics(metric)[0],
                k=k,
                budget=budget,
                seed=seed,
                n_parallel=parallel,
            )
        if best is None:
            raise ValueError(f"{ready} has no parameters to search")
        say(
            f"{budget} trials in {perf_counter() - start:.1f} s; best {metric}@{k}: "
            f"{ready.study.best_value:.6f}"
        )
        typer.echo(json.dumps(best, default=float))
        if save is not None:
            ready.save(save)
            say(f"saved: {save}")


@contextmanager
def _quiet_trials(verbose: bool) -> Iterator[None]:
    """Hold back the line that Optuna logs for every trial."""
    try:
        from optuna import logging
    except ImportError:  # the search itself says what to install
        yield
        return
    level = logging.get_verbosity()
    logging.set_verbosity(logging.INFO if verbose else logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def _splitter(by: str, params: list[str] | None = None) -> Any:
    """Return the splitter that ``name`` or ``name=value`` means."""
    from daskrec import splitters

    name, sign, value = by.partition("=")
    if name.lower() not in _SPLITTERS:
        raise ValueError(f"no splitter is called {name!r}: there are {', '.join(_SPLITTERS)}")
    made = getattr(splitters, _SPLITTERS[name.lower()])
    main = [literal(value)] if sign else []
    try:
        return made(*main, **parameters(params or []))
    except TypeError as error:
        raise ValueError(
            f"--by {by}: give the main parameter, such as {name}=0.2, and others with --param "
            f"({', '.join(made._param_names())})"
        ) from error


def _parts(log: str, test: str | None, by: str) -> tuple[Any, Any]:
    """Return what models learn from, and what they are tested on."""
    frame = read_log(log)
    if test is not None:
        return frame, read_log(test)
    splitter = _splitter(by)
    splitter.set_params(drop_cold_users=True, drop_cold_items=True)
    train, held = splitter.split(frame)
    return train, held


def _metrics(names: str) -> list[Any]:
    """Return metrics by their names."""
    from daskrec import metrics

    known = {
        name.lower(): getattr(metrics, name)
        for name in metrics.__all__
        if isinstance(getattr(metrics, name), type)
        and issubclass(getattr(metrics, name), metrics.Metric)
        and name not in {"Metric", "Unexpectedness", "CategoricalDiversity"}
    }
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ValueError(f"no metric is called {unknown}: there are {', '.join(sorted(known))}")
    return [known[name]() for name in wanted]


def _depths(k: str) -> list[int]:
    try:
        return [int(one) for one in k.split(",")]
    except ValueError as error:
        raise ValueError(f"--k takes whole numbers separated by commas, not {k!r}") from error


def _borders(given: list[str] | None) -> dict[str, list[Any]] | None:
    """Return what ``name=low,high`` or ``name=one,two,three`` means."""
    if not given:
        return None
    pairs = [entry.partition("=") for entry in given]
    wrong = [key for key, sign, _ in pairs if not sign]
    if wrong:
        raise ValueError(f"--border takes name=low,high, not {wrong[0]!r}")
    return {key: [literal(one.strip()) for one in value.split(",")] for key, _, value in pairs}


def _items(titles: str | None) -> Any:
    from daskrec.data.paths import open_frame

    return None if titles is None else open_frame(titles, "the file of titles")
