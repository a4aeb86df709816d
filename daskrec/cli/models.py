"""``daskrec recommend``, ``similar`` and ``demo``: models at work."""

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from daskrec.cli.inputs import (
    fitted_model,
    on_scheduler,
    parquet_path,
    plain_errors,
    read_ids,
    read_log,
    ready_model,
    say,
)
from daskrec.cli.options import (
    Column,
    Ids,
    K,
    Load,
    Log,
    ModelName,
    Out,
    Params,
    Save,
    Scheduler,
    Verbose,
)

_SHOWN_USERS = 3


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
    with plain_errors(verbose), on_scheduler(scheduler):
        columns = (user_column, item_column, relevance_column)
        path, chosen = parquet_path(out), (read_ids(users), read_ids(items))
        frame = read_log(log, dict(zip(("user", "item", "relevance"), columns, strict=True)))
        fitted = fitted_model(frame, ready_model(model, param, load), save)
        start = perf_counter()
        fitted.predict(frame, k, *chosen, filter_seen_items=not keep_seen, recs_file_path=path)
        say(f"{fitted}: recommended in {perf_counter() - start:.1f} s")
        show(out)


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
    with plain_errors(verbose), on_scheduler(scheduler):
        columns = (user_column, item_column, relevance_column)
        chosen, path = read_ids(items), None if out is None else parquet_path(out)
        frame = read_log(log, dict(zip(("user", "item", "relevance"), columns, strict=True)))
        ready = ready_model(model, param, load)
        if not ready.can_predict_item_to_item:
            raise ValueError(f"{ready} has no item-to-item recommendations: use knn, als or rules")
        options = {} if metric is None else {"metric": metric}
        found = fitted_model(frame, ready, save).get_nearest_items(chosen, k, **options)
        found = found.compute() if hasattr(found, "compute") else found
        if path is not None:
            found.to_parquet(path)
            say(f"written: {path}")
        typer.echo(found.to_string(index=False))


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
    with plain_errors(verbose), on_scheduler(scheduler):
        from daskrec.datasets import synthetic

        say(f"generating a log of {users:,} users and {items:,} items")
        log = synthetic(users, items, seed=seed)
        seeds = [f"seed={seed}"] if model.lower() in {"als", "alswrap"} else []
        path = parquet_path(out)
        fitted = fitted_model(log, ready_model(model, [*seeds, *(param or [])], None), None)
        fitted.predict(log, k, recs_file_path=path)
        show(out)


def show(out: Path) -> None:
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
