"""The search itself: ask, fit, rate, tell; the best trial's model is the result."""

import secrets
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, cast

from daskrec import progress
from daskrec.data.blocks import Features
from daskrec.engine import runtime
from daskrec.errors import warn_caller
from daskrec.params import check_whole
from daskrec.tuning import study as studies
from daskrec.tuning.bench import Bench, Criterion, Outcome
from daskrec.tuning.common import Common
from daskrec.tuning.space import Search


def optimize(
    model: Any,
    train: Any,
    test: Any,
    features: Features,
    param_borders: Mapping[str, Any] | None,
    criterion: Any,
    k: int,
    budget: int,
    new_study: bool,
    seed: int | None,
    n_parallel: int,
) -> dict[str, Any] | None:
    """Search for the best parameters of a model; see ``Tunable.optimize``."""
    search = Search.plan(model, param_borders)
    if search is None:
        more = sorted(model._search_on_request)
        hint = f": name some of {more} in param_borders" if more else ""
        warn_caller(f"{model} has no parameters that are searched by default{hint}")
        return None
    for name, value in {"k": k, "budget": budget, "n_parallel": n_parallel}.items():
        check_whole(name, value, 1)
    if seed is not None:
        check_whole("seed", seed, 0)
    rate = as_criterion(criterion, train)
    fresh = new_study or model.study is None
    study = studies.new_study() if fresh else model.study
    studies.check_continued(study, search.free)
    studies.seed_study(study, seed)
    fits = secrets.randbits(31) if seed is None else int(seed)
    bench = Bench(model, train, test, features, rate, k, Common(search.free), fits)
    try:
        if fresh:
            model.study = study
        run = _Run(bench, studies.Asker(study, search), model.logger)
        with progress.bar(f"optimizing {model}", budget) as step:
            for start in range(0, budget, n_parallel):
                run.trials(min(n_parallel, budget - start))
                for _ in range(start, min(start + n_parallel, budget)):
                    step()
        return _finish(model, study, bench, run)
    finally:
        bench.close()


def as_criterion(criterion: Any, train: Any) -> Criterion:
    """Return what rates recommendations: ``criterion(recs, test, k)``.

    Parameters
    ----------
    criterion
        A metric, the class of one, any function of this form, or None for NDCG.
    train
        The log that metrics of recommendations beside a log compare with, unless they have
        one of their own.
    """
    if criterion is None:
        from daskrec.metrics import NDCG

        criterion = NDCG
    made: Any = criterion() if isinstance(criterion, type) else criterion
    if not callable(made):
        raise ValueError(
            f"criterion must be a metric or a function of (recs, test, k), not {criterion!r}"
        )
    if getattr(made, "_role", None) == "train" and made.log is None:
        return partial(_beside, made, train)
    return cast(Criterion, made)


def _beside(metric: Any, train: Any, recs: Any, test: Any, k: int) -> Any:
    return metric(recs, train, k)


class _Run:
    """The trials of one call, and the best of them so far."""

    def __init__(self, bench: Bench, asker: studies.Asker, logger: Any) -> None:
        self.bench, self.asker, self.logger = bench, asker, logger
        self.best: tuple[int, Outcome] | None = None
        self.failures: list[Exception] = []
        self._known: dict[Hashable, Outcome] = {}

    def trials(self, count: int) -> None:
        """Run a batch of trials, and tell what came of them in the order of their numbers."""
        asked = [self.asker.ask() for _ in range(count)]
        keys = [tuple(sorted(params.items())) for _, params in asked]
        # What was tried before is not fitted again: the result would be the same.
        new = {key: params for key, (_, params) in zip(keys, asked, strict=True)}
        new = {key: params for key, params in new.items() if key not in self._known}
        told = 0
        try:
            outcomes = dict(zip(new, self._outcomes(list(new.values())), strict=True))
            for key, (trial, params) in zip(keys, asked, strict=True):
                outcome = outcomes.pop(key, None) or self._known[key]
                self._known[key] = Outcome(outcome.value, None, outcome.failure)
                told += 1
                self._tell(trial, params, outcome)
        finally:
            for trial, _ in asked[told:]:
                self.asker.tell_failure(trial, "the search was stopped")

    def _outcomes(self, each: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        """Run new trials: one in this thread, several side by side."""
        if len(each) < 2:
            return [self.bench.run(params) for params in each]
        with ThreadPoolExecutor(len(each)) as pool, runtime.quiet_shuffles():
            contexts = [copy_context() for _ in each]  # they may name a client
            return list(
                pool.map(lambda own, params: own.run(self.bench.run, params), contexts, each)
            )

    def _tell(self, trial: Any, params: Mapping[str, Any], outcome: Outcome) -> None:
        if outcome.failure is not None:
            self.asker.tell_failure(trial, str(outcome.failure))
            self.failures.append(outcome.failure)
            self.logger.info("trial %d failed, %s: %s", trial.number, params, outcome.failure)
            return
        self.asker.tell(trial, outcome.value)
        self.logger.info("trial %d, %s: %s", trial.number, params, outcome.value)
        if outcome.model is None:
            return
        if self.best is None or outcome.value > self.best[1].value:
            if self.best is not None:
                self.bench.drop(self.best[1].model)
            self.best = trial.number, outcome
        else:
            self.bench.drop(outcome.model)


def _finish(model: Any, study: Any, bench: Bench, run: _Run) -> dict[str, Any]:
    """Leave the model with the parameters and the state of the best trial of its study."""
    best = studies.best_of(study)
    if best is None:
        raise ValueError(
            f"none of the {len(run.failures)} trials could be fitted, the last one because "
            f"{run.failures[-1]}"
        ) from run.failures[-1]
    if run.failures:
        warn_caller(
            f"{len(run.failures)} trials could not be fitted, the last one because "
            f"{run.failures[-1]}; they count as failed in the study"
        )
    params = studies.params_of(best)
    if run.best is not None and run.best[0] == best.number:
        bench.adopt(run.best[1].model)
    elif not model._holds_trial(best.number):  # an earlier call found it, and its state is gone
        bench.adopt(bench.fit(params))
    model.set_params(**params)
    model._keep_trial(best.number)
    return params
