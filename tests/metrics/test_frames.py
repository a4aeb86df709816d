"""The same numbers from every kind of frame, partitioning and scheduler."""

from itertools import product
from typing import Any

import dask
import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, as_kind, kind_of, random_log, to_pandas, with_empty_partitions

from daskrec.engine import runtime
from daskrec.metrics import (
    MAP,
    MRR,
    NDCG,
    CategoricalDiversity,
    ConfidenceInterval,
    Coverage,
    HitRate,
    Median,
    Metric,
    Novelty,
    PerUser,
    Precision,
    Recall,
    RocAuc,
    Surprisal,
    Unexpectedness,
    buckets,
    evaluate,
    medians,
    passes,
)

KS = [2, 10]
QUALITY = [HitRate, Precision, Recall, MAP, MRR, NDCG, RocAuc]


class Length(Metric):
    """A metric of one's own."""

    @staticmethod
    def _get_metric_value_by_user(k, pred, ground_truth):
        return len(pred[:k]) / (k + len(ground_truth))


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    named = {c: c[0] + frame[c].astype(str) for c in ("user_idx", "item_idx")}
    return frame.assign(**named)


def make(text: bool = False) -> dict[str, pd.DataFrame]:
    truth = random_log(seed=1, rows=300)
    recs = random_log(seed=2, rows=900)
    recs = recs[recs["user_idx"].isin(truth["user_idx"])]
    recs = pd.concat([recs, recs[:50]], ignore_index=True)
    train, base = random_log(seed=3, rows=500), random_log(seed=4, rows=500)
    frames = {"recs": recs, "truth": truth, "train": train, "base": base}
    if text:
        frames = {name: as_text(frame) for name, frame in frames.items()}
    return frames


def all_metrics(train: Any, base: Any, categories: Any) -> list[Metric]:
    return [
        *(metric() for metric in QUALITY),
        Coverage(train),
        Surprisal(train),
        Unexpectedness(base),
        Novelty(train),
        CategoricalDiversity(item_features=categories),
        Length(),
    ]


def categories_of(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    items = sorted(set(frames["recs"]["item_idx"]) | set(frames["train"]["item_idx"]))
    return pd.DataFrame({"item_idx": items, "category": [f"c{n % 4}" for n in range(len(items))]})


def numbers(found: Any) -> dict[tuple[str, int], tuple[float, float, float]]:
    return {
        (name, k): (found.mean(name, k), found.median(name, k), found.conf_interval(name, k))
        for name, k in product(found.names, found.ks)
    }


def assert_agree(found: Any, expected: Any) -> None:
    told = numbers(found)
    for key, value in numbers(expected).items():
        assert told[key] == pytest.approx(value, abs=1e-12), key


def run(frames: dict[str, Any], categories: Any) -> Any:
    metrics = all_metrics(frames["train"], frames["base"], categories)
    return evaluate(metrics, frames["recs"], frames["truth"], KS)


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "text"])
def case(request) -> Any:
    frames = make(request.param)
    return frames, categories_of(frames), run(frames, categories_of(frames))


@pytest.mark.parametrize("kind", [*KINDS, "mixed"])
def test_kinds_of_frames(case, kind) -> None:
    frames, categories, expected = case
    kinds = ["polars", "dask", "arrow", "pandas"] if kind == "mixed" else [kind] * 4
    given = {
        name: as_kind(frame, k) for (name, frame), k in zip(frames.items(), kinds, strict=True)
    }
    assert_agree(run(given, as_kind(categories, kinds[0])), expected)


@pytest.mark.parametrize("npartitions", [1, 7, 40])
def test_partitions(case, npartitions) -> None:
    frames, categories, expected = case
    given = {name: with_empty_partitions(f, npartitions) for name, f in frames.items()}
    found = run(given, categories)
    assert_agree(found, expected)
    for name in set(found.names) - {"Coverage"}:
        users, values = found.per_user(name, 10)
        others, expected_values = expected.per_user(name, 10)
        assert list(users) == list(others)
        np.testing.assert_allclose(values, expected_values, rtol=0, atol=1e-13)


def test_cluster(case, client) -> None:
    frames, categories, expected = case
    given = {name: with_empty_partitions(f, 4) for name, f in frames.items()}
    assert_agree(run(given, categories), expected)
    assert_agree(run(given | {"truth": frames["truth"], "base": frames["base"]}, categories),
                 expected)  # fmt: skip


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_schedulers(case, scheduler) -> None:
    frames, categories, expected = case
    given = {name: as_kind(f, "dask") for name, f in frames.items()}
    with dask.config.set(scheduler=scheduler):
        assert_agree(run(given, categories), expected)


def test_paths(case, tmp_path) -> None:
    frames, categories, expected = case
    given = {}
    for name, frame in frames.items():
        given[name] = str(tmp_path / f"{name}.parquet")
        frame.to_parquet(given[name])
    found = run(given, categories)
    assert_agree(found, expected)


def test_many_rows_and_values(case, monkeypatch) -> None:
    frames, categories, expected = case
    monkeypatch.setattr(buckets, "_ROWS_PER_BUCKET", 20)
    monkeypatch.setattr(passes, "_KEPT_BYTES", 0)
    monkeypatch.setattr(medians, "_FEW", 1)
    given = {name: with_empty_partitions(f, 5) for name, f in frames.items()}
    found = run(given, categories)
    assert not found._outcome.summary.kept
    assert_agree(found, expected)
    log = given["train"]
    distribution = NDCG().user_distribution(log, given["recs"], given["truth"], KS)
    monkeypatch.undo()
    expected = NDCG().user_distribution(frames["train"], frames["recs"], frames["truth"], KS)
    pd.testing.assert_frame_equal(distribution, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_modes(case, kind) -> None:
    frames, _, expected = case
    recs, truth = (as_kind(frames[name], kind) for name in ("recs", "truth"))
    by_mode = {"-Median": Median(), "-ConfidenceInterval": ConfidenceInterval(0.9)}
    for suffix, mode in by_mode.items():
        found = NDCG(KS, mode=mode)(recs, truth)
        told = [mode.of(expected, "NDCG", k) for k in KS]
        assert found == {
            f"NDCG{suffix}@{k}": pytest.approx(v) for k, v in zip(KS, told, strict=True)
        }
        assert NDCG(mode=mode)(recs, truth, 10) == pytest.approx(told[1])

    frame = NDCG(mode=PerUser())(recs, truth, 10)
    assert kind_of(frame) == kind
    users, values = expected.per_user("NDCG", 10)
    found = to_pandas(frame).sort_values("user_idx", ignore_index=True)
    assert list(found.columns) == ["user_idx", "value"]
    assert found["user_idx"].tolist() == pd.Series(users).tolist()
    assert found["user_idx"].dtype == to_pandas(recs)["user_idx"].dtype
    np.testing.assert_allclose(found["value"], values, rtol=0, atol=1e-13)


def test_lazy_frame_of_users_is_what_it_declares(case) -> None:
    from dask.dataframe.utils import assert_eq

    frames, _, _ = case
    recs = with_empty_partitions(frames["recs"], 7)
    frame = NDCG(mode=PerUser())(recs, frames["truth"], 10)
    expected = NDCG(mode=PerUser())(frames["recs"], frames["truth"], 10)
    assert_eq(frame, expected, check_index=False)


def test_a_lazy_truth_and_recommendations_in_memory(case) -> None:
    frames, _, _ = case
    frame = NDCG(mode=PerUser())(frames["recs"], as_kind(frames["truth"], "dask"), 10)
    expected = NDCG(mode=PerUser())(frames["recs"], frames["truth"], 10)
    pd.testing.assert_frame_equal(frame, expected)


def test_no_dask_in_memory(monkeypatch, case) -> None:
    frames, categories, expected = case

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a task was made of frames in memory")

    monkeypatch.setattr("daskrec.engine.runtime.task", refuse)
    monkeypatch.setattr("daskrec.engine.runtime.tasks", refuse)
    assert_agree(run(frames, categories), expected)


def test_a_source_is_read_once(case) -> None:
    import dask.dataframe as dd

    frames, _, _ = case
    read: list[int] = []

    def load(piece: pd.DataFrame) -> pd.DataFrame:
        read.append(len(piece))
        return piece

    pieces = [frames["recs"][:100], frames["recs"][100:]]
    recs = dd.from_map(load, pieces, meta=frames["recs"][:0])
    evaluate([metric() for metric in QUALITY], recs, frames["truth"], KS)
    assert sorted(read) == sorted(len(piece) for piece in pieces)


def test_random_state_and_inputs_stay_as_they_are(case) -> None:
    frames, categories, _ = case
    np.random.seed(3)
    state = np.random.get_state()[1].tolist()
    before = {name: frame.copy() for name, frame in frames.items()}
    configuration = dict(dask.config.config)
    run({name: as_kind(f, "dask") for name, f in frames.items()}, categories)
    run(frames, categories)
    assert np.random.get_state()[1].tolist() == state
    assert dask.config.config == configuration
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(frame, before[name])


@pytest.mark.parametrize("count", [1, 2, 5, 1000])
def test_lower_medians_without_gathering(count, monkeypatch) -> None:
    monkeypatch.setattr(medians, "_FEW", 0)
    rng = np.random.default_rng(count)
    table = np.stack([rng.standard_normal(count), rng.integers(-2, 3, count) / 3.0])
    parts = np.array_split(table, 3, axis=1)
    tasks = runtime.tasks(np.asarray, [(part,) for part in parts])
    expected = np.sort(table, axis=1)[:, (count - 1) // 2].tolist()
    assert medians.lower_medians(tasks, 2, count, True) == expected
    assert medians.lower_medians(parts, 2, count, False) == expected
