"""``update``: the same state as a fit on the old and the new log together."""

import warnings
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from support import adapted
from support.cases import CASES, Case
from support.logs import L5, as_kind, assert_same, random_log, to_pandas, with_empty_partitions

from daskrec.data.features import FeatureBlock
from daskrec.engine.csr import Csr
from daskrec.engine.shared import session_folder
from daskrec.errors import LogError, NotFittedError
from daskrec.models.state import collect

OLD = random_log(rows=500)
# New users and items at both ends and between, known ones, and pairs that are there already.
NEW = pd.concat(
    [
        random_log(users=70, items=36, rows=300, seed=1).assign(
            user_idx=lambda f: f.user_idx - 4, item_idx=lambda f: f.item_idx - 14
        ),
        random_log(rows=200, seed=2),
        OLD.sample(40, random_state=3),
    ]
).drop_duplicates(["user_idx", "item_idx"], ignore_index=True)
BOTH = pd.concat([OLD, NEW], ignore_index=True)
REPEATED = len(BOTH) - len(BOTH.drop_duplicates(["user_idx", "item_idx"]))


@pytest.fixture(params=[case for case in CASES if hasattr(case.model, "update")], ids=str)
def counted(request: pytest.FixtureRequest) -> Case:
    """Each model that counts."""
    return request.param


def fit(case: Case, log: Any) -> Any:
    with pytest.warns(UserWarning, match="repeat") as caught:
        model = case.make().fit(log)
    assert len(caught) == 1
    return model


def plain(value: Any) -> np.ndarray:
    """Return the content of a part of a state, whatever it is cut into."""
    if isinstance(value, FeatureBlock):
        return value.values
    if isinstance(value, Csr):
        dense = np.zeros((len(value), value.width))
        dense[np.repeat(np.arange(len(value)), np.diff(value.indptr)), value.indices] = (
            value.values()
        )
        return dense
    return np.asarray(getattr(value, "values", value))


def assert_same_state(model: Any, expected: Any, tolerance: float = 1e-6) -> None:
    held, wanted = collect(model), collect(expected)
    assert set(held) == set(wanted)
    for name in held:
        if name in {"bounds", "history"}:  # where it is cut, and what was kept for updates
            continue
        parts = [np.concatenate([plain(v) for v in side[name][1]]) for side in (held, wanted)]
        if parts[0].dtype.kind == "f":
            scale = np.nanmax(np.abs(parts[1]), initial=0)
            np.testing.assert_allclose(*parts, rtol=tolerance, atol=tolerance * scale)
        else:
            assert parts[0].tolist() == parts[1].tolist(), name


@pytest.mark.parametrize("old", ["pandas", "dask"])
@pytest.mark.parametrize("new", ["pandas", "polars", "dask"])
def test_an_update_equals_a_fit_on_both_logs(counted: Case, old: str, new: str) -> None:
    expected = fit(counted, BOTH)
    model = counted.make().fit(as_kind(OLD, old))
    updates = [as_kind(NEW, new)]
    assert update(model, updates) is model
    assert_same_state(model, expected)
    assert_same(model.predict(BOTH, 5), expected.predict(BOTH, 5), 1e-6)
    assert to_pandas(model.fit_users).user_idx.tolist() == sorted(BOTH.user_idx.unique())


def update(model: Any, logs: list[Any]) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "\\d+ rows of the log repeat")
        for log in logs:
            model.update(log)
    return model


def test_repeats_are_counted_across_logs(counted: Case) -> None:
    model = counted.make().fit(OLD)
    if model._history is None:
        return  # sums alone do not know of pairs
    with pytest.warns(UserWarning, match=f"^{REPEATED} rows of the log repeat") as caught:
        model.update(NEW)
    assert len(caught) == 1
    assert caught[0].filename in {__file__, adapted.__file__}


def test_many_updates_in_any_partitioning(counted: Case) -> None:
    expected = fit(counted, BOTH)
    pieces = np.array_split(np.arange(len(NEW)), 4)
    logs = [NEW.iloc[pieces[0]], with_empty_partitions(NEW.iloc[pieces[1]], 7)]
    logs += [NEW.iloc[pieces[2]], with_empty_partitions(NEW.iloc[pieces[3]], 40)]
    model = update(counted.make().fit(with_empty_partitions(OLD, 7)), logs)
    assert_same_state(model, expected)


def test_an_update_on_a_cluster(counted: Case, client, monkeypatch) -> None:
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 50)
    with dask.config.set(scheduler="threads"):
        expected = fit(counted, BOTH)
    with dask.config.set({"daskrec.user-id-limit": 10}):
        model = update(
            counted.make().fit(with_empty_partitions(OLD, 7)),
            [NEW.iloc[:200], with_empty_partitions(NEW.iloc[200:], 7)],
        )
    assert len(model._catalogue.user_ids.shards) > 1
    assert_same_state(model, expected)
    assert_same(model.predict(BOTH, 5), expected.predict(BOTH, 5), 1e-6)


def test_updates_on_a_cluster_leave_no_old_interactions_behind(counted: Case, client) -> None:
    model = counted.make().fit(with_empty_partitions(OLD, 3))
    folder, sizes = Path(session_folder()), []
    for _ in range(3):
        update(model, [with_empty_partitions(NEW, 3)])
        sizes.append(sum(1 for _ in folder.iterdir()))
    kept = len(model._history.blocks) if model._history is not None else 0
    growth = kept if model._serves_history else 0
    # State that is written anew each time stays until the process ends: a few arrays.
    assert sizes[2] - sizes[1] <= growth + 8


def test_a_result_that_is_not_computed_yet_outlives_an_update(counted: Case) -> None:
    model = counted.make().fit(OLD)
    lazy = model.predict(as_kind(OLD, "dask"), 3)
    expected = model.predict(OLD, 3)
    update(model, [NEW])
    assert_same(lazy, expected)


def test_a_loaded_model_can_be_updated(counted: Case, tmp_path) -> None:
    counted.make().fit(OLD).save(tmp_path / "model")
    model = counted.load(tmp_path / "model")
    assert_same_state(update(model, [NEW]), fit(counted, BOTH))


def test_string_ids(counted: Case) -> None:
    def words(log: pd.DataFrame) -> pd.DataFrame:
        return log.assign(user_idx=log.user_idx.map("ü{}".format), item_idx=log.item_idx.map(str))

    model = update(counted.make().fit(words(OLD)), [words(NEW)])
    assert_same_state(model, fit(counted, words(BOTH)))
    with pytest.raises(LogError, match=r"strings here and integers|integers here and strings"):
        model.update(NEW)


def test_an_update_without_rows_changes_nothing(counted: Case) -> None:
    model = counted.make().fit(L5)
    expected = model.predict(L5, 3)
    for empty in (L5.iloc[:0], as_kind(L5.iloc[:0], "dask")):
        assert_same(model.update(empty).predict(L5, 3), expected)


def test_what_cannot_be_updated_says_why(counted: Case) -> None:
    with pytest.raises(NotFittedError, match="not fitted"):
        counted.make().update(L5)
    with dask.config.set({"daskrec.keep-history": False}):
        model = counted.make().fit(L5)
    assert_same(model.predict(L5, 3), counted.make().fit(L5).predict(L5, 3))
    if model._history is None and not getattr(model, "_adds_up", False):
        with pytest.raises(ValueError, match=r"daskrec\.keep-history was off"):
            model.update(L5)
    with pytest.raises(LogError, match="fractional"):
        model.update(L5.assign(item_idx=[0, 0.5, 1, 2, 2]))
    assert_same(model.predict(L5, 3), counted.make().fit(L5).predict(L5, 3))


@pytest.mark.parametrize("saved", [False, True])
def test_an_update_with_other_parameters_is_refused(
    counted: Case, saved: bool, tmp_path: Path
) -> None:
    changed = {"use_relevance": True, "alpha": 0.2, "exploration_coef": 3.0, "shrink": 9.0}
    model = counted.make().fit(OLD)
    name = next((n for n in changed if n in model.get_params()), None)
    if name is None:
        return
    value = not model.get_params()[name] if name == "use_relevance" else changed[name]
    model.set_params(**{name: value})
    if saved:
        model.save(tmp_path / "model")
        model = counted.load(tmp_path / "model")
    with pytest.raises(ValueError, match=f"{name}.*changed since the fit"):
        model.update(NEW)
