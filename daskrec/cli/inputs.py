"""What commands take and how they say what they do: logs, ids, models, errors."""

import ast
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Any

import typer

from daskrec.cli.options import MODELS


@contextmanager
def plain_errors(verbose: bool) -> Iterator[None]:
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
def on_scheduler(scheduler: str | None) -> Iterator[None]:
    """Run on a Dask cluster, or in threads of this process."""
    if scheduler is None:
        yield
        return
    from daskrec.engine import runtime

    with runtime.connected(scheduler):
        yield


def read_log(log: str, renamed: Mapping[str, str | None] = MappingProxyType({})) -> Any:
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


def ready_model(name: str, params: list[str] | None, load: Path | None) -> Any:
    """Return a model: loaded, or made with its parameters."""
    if load is None:
        return make_model(name, params or [])
    import daskrec

    return daskrec.load(load)


def fitted_model(frame: Any, model: Any, save: Path | None) -> Any:
    """Fit a model that is not fitted yet, and save it where that is asked for."""
    if save is not None and save.exists():
        raise FileExistsError(f"{save} exists: name another folder for --save")
    if model._catalogue is not None:
        return model
    start = perf_counter()
    model.fit(frame)
    say(
        f"{model!r}: fitted on {model.users_count:,} users and {model.items_count:,} items "
        f"in {perf_counter() - start:.1f} s"
    )
    if save is not None:
        model.save(save)
        say(f"saved: {save}")
    return model


def make_model(name: str, params: list[str]) -> Any:
    """Make a model by its short name or its class name."""
    return _class_of(name)().set_params(**parameters(params))


def _class_of(name: str) -> Any:
    from daskrec import models

    known = MODELS | {full.lower(): full for full in MODELS.values()}
    if name.lower() not in known:
        raise ValueError(f"no model is called {name!r}: there are {', '.join(MODELS)}")
    return getattr(models, known[name.lower()])


def make_models(names: str, params: list[str], seed: int | None) -> dict[str, Any]:
    """Make several models, by their names.

    A parameter is for every model that has it, or for one: ``als.rank=64``. The seed is for
    every model that has one and was given none.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise ValueError(f"name at least one model: {', '.join(MODELS)}")
    given, used = parameters(params), set()
    made = {}
    for name in dict.fromkeys(wanted):
        model = _class_of(name)()
        own = {model._seed_parameter: seed} if seed is not None else {}
        for key, value in given.items():
            owner, _, param = key.rpartition(".")
            if owner in ("", name) and param in model.get_params():
                own[param] = value
                used.add(key)
        made[name] = model.set_params(**{k: v for k, v in own.items() if k in model.get_params()})
    idle = sorted(set(given) - used)
    if idle:
        raise ValueError(f"no model of {wanted} has a parameter {idle}")
    return made


def parameters(params: list[str]) -> dict[str, Any]:
    """Return what entries such as ``rank=64`` mean."""
    pairs = [entry.partition("=") for entry in params]
    wrong = [key for key, sign, _ in pairs if not sign]
    if wrong:
        raise ValueError(f"--param takes name=value, not {wrong[0]!r}")
    return {key: literal(value) for key, _, value in pairs}


def literal(text: str) -> Any:
    """Return the number, truth value or None that a text spells, else the text."""
    words = {"true": True, "false": False, "none": None, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def read_ids(given: str | None) -> Any:
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


def parquet_path(out: Path) -> str:
    """Return where a result is written; its name may not be that of another kind of file."""
    if out.suffix.lower() in {".csv", ".tsv", ".txt", ".json"}:
        raise ValueError(f"results are written as Parquet: name {out.with_suffix('.parquet')}")
    return str(out)


def say(text: str) -> None:
    """Tell what is done, beside the result."""
    typer.echo(text, err=not sys.stdout.isatty())
