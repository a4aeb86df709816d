"""The call that compares: what is checked and settled before any model begins."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from daskrec.comparison.board import Settings
from daskrec.comparison.gather import distinct_ids
from daskrec.comparison.outcome import Comparison
from daskrec.comparison.trials import Task, is_fitted, is_frame, name_models, run_trial
from daskrec.data.ids import Ids
from daskrec.data.once import reading_once
from daskrec.data.paths import open_frame
from daskrec.data.rows_among import rows_among
from daskrec.data.selection import read_selection
from daskrec.errors import LogError
from daskrec.metrics import MAP, MRR, NDCG, Coverage, HitRate, Metric, Novelty, Surprisal
from daskrec.metrics.depths import read_depths
from daskrec.params import check_whole
from daskrec.significance import check_test


@reading_once()
def compare(
    models: Any,
    train: Any,
    test: Any,
    metrics: Metric | Iterable[Metric] | None = None,
    k: Any = 10,
    *,
    users: Any = None,
    items: Any = None,
    user_features: Any = None,
    item_features: Any = None,
    filter_seen_items: bool = True,
    primary: str | None = None,
    seed: int = 0,
    bootstrap: int = 1000,
    level: float = 0.95,
    significance: str = "t",
) -> Comparison:
    """Fit models on one part of a log and compare what they recommend on the other.

    All models serve the same users from the same items, and are measured on the same truth.
    A model that fails becomes a row that says how; the others go on.

    Parameters
    ----------
    models
        Models, in a list (named by their class, and by the parameters in which those of one
        class differ) or in a mapping of names. A model that is not fitted is fitted on
        ``train``, in place; one that is fitted is asked as it is. A frame of recommendations,
        or a path of one, is compared as it is too.
    train, test
        What models learn from, and what users had afterwards: frames of any kinds, or paths.
        ``train`` is also the history of the users. A lazy ``train`` is read once a model.
    metrics
        Metrics; by default HitRate, MAP, MRR, NDCG, Coverage, Surprisal and (where users of
        ``test`` are in ``train``) Novelty. Those that need a log and were made without get
        ``train``.
    k
        One length of lists, or several.
    users
        Compare on these users of ``test`` alone: ids in any form.
    items
        Items that may be recommended: ids in any form. By default those of ``train``, also
        where a model was fitted on others.
    user_features, item_features
        Frames for the models that take them.
    filter_seen_items
        Leave out what users had in ``train``, where a model lets one choose.
    primary
        Metric, such as ``"NDCG"`` or ``"NDCG@10"``, that models are ordered by; by default
        NDCG, else the first. Without a length it is that at the largest one.
    seed
        Of the bootstrap and of the permutation test. Draws are hashes of it: no global state
        is read or changed, and every kind of frame and partitioning gives the same intervals.
    bootstrap
        Number of replicates; 0 for no intervals.
    level
        Of the intervals.
    significance
        Test of differences to the best model: ``"t"``, ``"permutation"`` or ``"wilcoxon"``;
        see ``daskrec.significance.paired_p``, which says why the first is the default.

    Returns
    -------
    Comparison
        ``.results``, ``.tests``, ``.per_user(...)``, ``.report(path)``, ``.plot_...()``.

    Raises
    ------
    LogError
        A frame cannot be used, ``test`` has no rows, or there is no model, metric or test of
        the name.

    Notes
    -----
    Means are over the users of ``test`` (those that a model serves, for metrics that are
    defined so). Intervals are percentile intervals of a bootstrap over users; one draw of
    users serves all models and metrics, so that differences are paired. Of more than a million
    users, intervals and tests see a million, chosen by a hash of their ids, and intervals are
    narrowed to the whole number.

    Time: what the models and metrics take; replicates x users for draws and as much a model,
    metric and length (0.2 s for a thousand users, 30 columns). Memory: the recommendations of
    all models, kept for the report, and 8 bytes a user, model, metric and length, in this
    process.

    Examples
    --------
    >>> import pandas as pd
    >>> from daskrec.metrics import NDCG
    >>> from daskrec.models import PopRec, RandomRec
    >>> log = pd.DataFrame({"user_idx": [1, 1, 2, 2, 3], "item_idx": [1, 2, 2, 3, 2]})
    >>> test = pd.DataFrame({"user_idx": [1, 3], "item_idx": [3, 1]})
    >>> found = compare([PopRec(), RandomRec(seed=3)], log, test, [NDCG()], k=1)
    >>> found.results["NDCG@1"].to_dict()
    {'PopRec': 1.0, 'RandomRec': 0.5}
    """
    check_test(significance)
    check_whole("bootstrap", bootstrap, 0)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level}")
    named = name_models(models)
    train, test = open_frame(train, "train"), open_frame(test, "test")
    test, served = _users_of_test(test, users)
    chosen = _metrics(metrics, train, served)
    ks = read_depths(k)
    settings = Settings(_primary(primary, chosen, ks), seed, bootstrap, level, significance)
    candidates = _candidates(items, train, named, item_features)
    task = Task(
        train, test, chosen, ks, served, candidates, user_features, item_features,
        filter_seen_items,
    )  # fmt: skip
    trials = [run_trial(name, model, task) for name, model in named.items()]
    return Comparison(trials, task, settings)


def _users_of_test(test: Any, users: Any) -> tuple[Any, Ids]:
    """Return the rows of the test, and the users that models serve."""
    known = distinct_ids(test, "user", "test")
    chosen = read_selection(users, "user", known)
    if chosen is not None:
        known = Ids(chosen.values.take((known.encode(chosen.values) >= 0).nonzero()[0]))
        test = rows_among(test, "test", users=known)
    if not len(known):
        raise LogError("test has no rows" + ("" if users is None else " of these users"))
    return test, known


def _metrics(given: Any, train: Any, users: Ids) -> list[Metric]:
    if given is None:
        usual = [HitRate(), MAP(), MRR(), NDCG(), Coverage(train), Surprisal(train)]
        # Novelty is averaged over the users of its log: those who are served.
        seen = rows_among(train, "train", users=users)
        return [*usual, Novelty(seen)] if len(distinct_ids(seen, "user", "train")) else usual
    chosen = [given] if isinstance(given, Metric) else list(given)
    wrong = [one for one in chosen if not isinstance(one, Metric)]
    if wrong or not chosen:
        raise LogError(f"metrics must be metrics, such as NDCG(), not {wrong or given!r}")
    names = [str(one) for one in chosen]
    if len(set(names)) < len(names):
        raise LogError(f"two metrics have one name: {names}; compare by one of them at a time")
    return chosen


def _primary(given: str | None, metrics: Sequence[Metric], ks: Sequence[int]) -> str:
    names = [str(metric) for metric in metrics]
    if given is None:
        given = "NDCG" if "NDCG" in names else names[0]
    columns = [f"{name}@{k}" for name in names for k in ks]
    column = given if given in columns else f"{given}@{max(ks)}"
    if column not in columns:
        raise LogError(f"primary is {given!r}: it must be one of {names} or of {columns}")
    return column


def _candidates(items: Any, train: Any, models: Mapping[str, Any], item_features: Any) -> Any:
    """Return the items that all models choose from; None where each fit gives the same."""
    if items is not None:
        some = distinct_ids(train, "item", "train")
        chosen = read_selection(items, "item", some)
        assert chosen is not None
        return chosen.values
    fitted = any(not is_frame(one) and is_fitted(one) for one in models.values())
    if fitted or item_features is not None:
        return distinct_ids(train, "item", "train").values
    return None
