"""Optuna's part: what to try next, and the record of what was tried.

Trials are asked for in batches of a fixed size and told in the order of their numbers, so that
a seed alone decides what is tried, however long each takes and whatever runs beside it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from daskrec.tuning.space import Choice, Domain, Search

_PARAMS = "params"  # the attribute of a trial that holds all parameters, the fixed ones too
_ERROR = "error"


def optuna() -> Any:
    """Return the library Optuna.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        import optuna as library
    except ImportError as error:
        raise ImportError(
            "optimize searches with Optuna, which is not installed: pip install 'daskrec[tune]'"
        ) from error
    return library


def new_study() -> Any:
    """Return an empty study, which looks for the largest value."""
    return optuna().create_study(direction="maximize")


def seed_study(study: Any, seed: int | None) -> None:
    """Let a study draw by a seed from here on; more trials of it draw other numbers."""
    if seed is not None:
        seed = (seed + len(study.trials)) % 2**32
    study.sampler = optuna().samplers.TPESampler(seed=seed)


def distribution(domain: Domain) -> Any:
    """Return a domain in Optuna's terms."""
    kinds = optuna().distributions
    if isinstance(domain, Choice):
        return kinds.CategoricalDistribution(domain.values)
    if domain.whole:
        return kinds.IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return kinds.FloatDistribution(domain.low, domain.high, log=domain.log)


def check_continued(study: Any, free: Mapping[str, Domain]) -> None:
    """Refuse to continue a study whose trials had other kinds of values.

    Raises
    ------
    ValueError
        Optuna cannot compare old and new values of a parameter.
    """
    check = optuna().distributions.check_distribution_compatibility
    for trial in study.trials:
        for name in trial.distributions.keys() & free.keys():
            try:
                check(trial.distributions[name], distribution(free[name]))
            except ValueError as error:
                raise ValueError(
                    f"the study that new_study=False continues has other values for {name} "
                    f"({error}): give the same ones, or begin anew with new_study=True"
                ) from error


class Asker:
    """Asks a study what to try, and tells it what came out.

    Parameters
    ----------
    study
        The study.
    search
        What is searched. Its start is tried first, unless the study knows it.
    """

    def __init__(self, study: Any, search: Search) -> None:
        self.study = study
        self.search = search
        self._distributions = {name: distribution(d) for name, d in search.free.items()}
        if search.start is not None:
            full = search.full(search.start)
            if not any(params_of(trial) == full for trial in study.trials):
                study.enqueue_trial(dict(search.start))

    def ask(self) -> tuple[Any, dict[str, Any]]:
        """Return a new trial, and all parameters of it."""
        trial = self.study.ask(self._distributions)
        params = self.search.full(
            {name: domain.spell(trial.params[name]) for name, domain in self.search.free.items()}
        )
        trial.set_user_attr(_PARAMS, params)
        return trial, params

    def tell(self, trial: Any, value: float) -> None:
        """Record the value of a trial."""
        self.study.tell(trial, value)

    def tell_failure(self, trial: Any, reason: str) -> None:
        """Record that a trial has no value, and why."""
        trial.set_user_attr(_ERROR, reason)
        self.study.tell(trial, state=optuna().trial.TrialState.FAIL)


def params_of(trial: Any) -> dict[str, Any]:
    """Return all parameters of a trial, those that were not searched too."""
    return dict(trial.user_attrs.get(_PARAMS, trial.params))


def best_of(study: Any) -> Any:
    """Return the trial of the largest value, the first of equal ones; None without any."""
    complete = optuna().trial.TrialState.COMPLETE
    done = [trial for trial in study.trials if trial.state == complete]
    return max(done, key=lambda trial: trial.value, default=None)


# ---------------------------------------------------------------- a study as plain values


def record(study: Any) -> dict[str, Any]:
    """Return a study as values that JSON holds; trials under way are left out."""
    dump = optuna().distributions.distribution_to_json
    return {
        "name": study.study_name,
        "trials": [
            {
                "state": trial.state.name,
                "value": trial.value,
                "params": trial.params,
                "distributions": {n: dump(d) for n, d in trial.distributions.items()},
                "user_attrs": trial.user_attrs,
                "start": trial.datetime_start.isoformat(),
                "complete": trial.datetime_complete.isoformat(),
            }
            for trial in study.trials
            if trial.state.is_finished()
        ],
    }


def restore(recorded: Mapping[str, Any]) -> Any:
    """Make a study of what ``record`` returned."""
    library = optuna()
    read = library.distributions.json_to_distribution
    study = library.create_study(direction="maximize", study_name=recorded["name"])
    for entry in recorded["trials"]:
        trial = library.trial.create_trial(
            state=library.trial.TrialState[entry["state"]],
            value=entry["value"],
            params=entry["params"],
            distributions={name: read(text) for name, text in entry["distributions"].items()},
            user_attrs=entry["user_attrs"],
        )
        trial.datetime_start = datetime.fromisoformat(entry["start"])
        trial.datetime_complete = datetime.fromisoformat(entry["complete"])
        study.add_trial(trial)
    return study
