"""The same rows from every kind of frame, every partitioning and every scheduler."""

import shutil

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from dask.dataframe.utils import assert_eq
from support.cases import Case
from support.logs import (
    KINDS,
    as_kind,
    assert_same,
    kind_of,
    random_log,
    to_pandas,
    with_empty_partitions,
)

LOG = random_log()
PARTITIONS = [1, 7, 40]


def test_every_kind_of_frame_gives_its_own_kind_back(case: Case) -> None:
    expected = case.make().fit_predict(LOG, 5)
    for kind in KINDS:
        log = as_kind(LOG, kind)
        model = case.make().fit(log)
        recs = model.predict(log, 5)
        assert kind_of(recs) == kind
        assert_same(recs, expected, case.tolerance)
        assert kind_of(model.fit_users) == kind
        pairs = as_kind(LOG[["user_idx", "item_idx"]], kind)
        scored = model.predict_pairs(pairs, log)
        assert kind_of(scored) == kind
        assert_same(scored, model.predict_pairs(LOG[["user_idx", "item_idx"]], LOG), 1e-6)


def test_kinds_can_be_mixed(case: Case) -> None:
    model = case.make().fit(as_kind(LOG, "dask"))
    expected = case.make().fit_predict(LOG, 5)
    for kind in KINDS:
        assert_same(model.predict(as_kind(LOG, kind), 5), expected, case.tolerance)
    lazy = case.make().fit(LOG)
    pairs = LOG[["user_idx", "item_idx"]]
    wanted = lazy.predict_pairs(pairs, LOG)
    assert_same(lazy.predict_pairs(as_kind(pairs, "dask"), LOG), wanted, 1e-6)
    assert_same(lazy.predict_pairs(pairs, as_kind(LOG, "dask")), wanted, 1e-6)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_paths_are_read_as_dask_frames(case: Case, tmp_path, suffix: str) -> None:
    for number, part in enumerate(np.array_split(np.arange(len(LOG)), 3)):
        path = tmp_path / f"log-{number}.{suffix}"
        chunk = LOG.iloc[part]
        chunk.to_parquet(path) if suffix == "parquet" else chunk.to_csv(path, index=False)
    recs = case.make().fit_predict(f"{tmp_path}/*.{suffix}", 5)
    assert kind_of(recs) == "dask"
    assert_same(recs, case.make().fit_predict(LOG, 5), case.tolerance)


@pytest.mark.parametrize("npartitions", PARTITIONS)
def test_partitions_do_not_matter(case: Case, npartitions: int) -> None:
    expected = case.make().fit(LOG).predict(LOG, 5)
    log = with_empty_partitions(LOG, npartitions)
    assert log.npartitions == npartitions
    recs = case.make().fit(log).predict(log, 5)
    assert_eq(recs, recs.compute(), check_index=False, check_divisions=False)
    assert_same(recs, expected, case.tolerance)


def test_the_order_of_rows_does_not_matter(case: Case) -> None:
    shuffled = LOG.sample(frac=1, random_state=5)
    assert_same(case.make().fit_predict(shuffled, 5), case.make().fit_predict(LOG, 5))
    log = dd.from_pandas(LOG, npartitions=6).repartition(npartitions=4)
    assert_same(case.make().fit_predict(log, 5), case.make().fit_predict(LOG, 5), case.tolerance)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_local_schedulers_do_not_matter(case: Case, scheduler: str) -> None:
    expected = case.make().fit(LOG).predict(LOG, 5)
    with dask.config.set(scheduler=scheduler):
        assert_same(case.make().fit(LOG).predict(LOG, 5), expected, case.tolerance)
        log = with_empty_partitions(LOG, 7)
        assert_same(case.make().fit(log).predict(log, 5), expected, case.tolerance)


def test_a_cluster_does_not_matter(case: Case, client) -> None:
    with dask.config.set(scheduler="threads"):
        expected = case.make().fit(LOG).predict(LOG, 5)
    assert_same(case.make().fit(LOG).predict(LOG, 5), expected, case.tolerance)
    log = with_empty_partitions(LOG, 7)
    model = case.make().fit(log)
    assert_same(model.predict(log, 5), expected, case.tolerance)
    pairs = LOG[["user_idx", "item_idx"]]
    assert_same(
        model.predict_pairs(as_kind(pairs, "dask"), log), model.predict_pairs(pairs, LOG), 1e-5
    )


def test_a_lazy_result_is_one_answer(case: Case) -> None:
    log = as_kind(LOG, "dask")
    recs = case.make().fit_predict(log, 3)
    assert_same(recs.compute(), recs.compute())


def test_users_and_items_of_a_lazy_log(case: Case) -> None:
    model = case.make().fit(LOG)
    users, items = sorted(LOG.user_idx.unique())[::4], sorted(LOG.item_idx.unique())[::2]
    lazy = model.predict(with_empty_partitions(LOG, 7), 4, users=users, items=items)
    assert_same(lazy, model.predict(LOG, 4, users=users, items=items), 1e-6)
    assert len(model.predict(with_empty_partitions(LOG, 7), 4, users=[]).compute()) == 0


@pytest.mark.parametrize(
    "dtype", ["int32", "uint64", "Int64", "str", "category", "string[pyarrow]"]
)
@pytest.mark.parametrize("lazy", [False, True])
def test_ids_come_back_with_their_type(case: Case, dtype: str, lazy: bool) -> None:
    plain = LOG.assign(item_idx=LOG.item_idx + 100)
    expected = case.make().fit_predict(plain, 3)
    if dtype in {"str", "category", "string[pyarrow]"}:
        # Words of one length, so that their order is that of the numbers.
        words = {c: plain[c].map("{:06d}".format).astype(dtype) for c in ("user_idx", "item_idx")}
        log = plain.assign(**words)
    else:
        log = plain.astype({"user_idx": dtype, "item_idx": dtype})
    given = dd.from_pandas(log, npartitions=3) if lazy else log
    recs = case.make().fit_predict(given, 3)
    assert recs.dtypes.to_dict() == given.dtypes[["user_idx", "item_idx", "relevance"]].to_dict()
    found = recs.compute() if lazy else recs
    assert found.dtypes.to_dict() == recs.dtypes.to_dict()
    if case.draws and dtype in {"str", "category", "string[pyarrow]"}:
        return  # by ids, which are others here
    numbers = found.astype({"user_idx": str, "item_idx": str})
    assert_same(
        numbers.astype({"user_idx": np.int64, "item_idx": np.int64}), expected, case.tolerance
    )


def test_results_come_back_under_the_names_that_came_in(case: Case) -> None:
    log = LOG.rename(columns={"user_idx": "user_id", "item_idx": "item_id", "relevance": "rating"})
    recs = case.make().fit_predict(log, 2)
    assert list(recs.columns) == ["user_id", "item_id", "rating"]
    recs.columns = ["user_idx", "item_idx", "relevance"]
    assert_same(recs, case.make().fit_predict(LOG, 2))


def test_a_list_of_vectors_stays_a_list(case: Case, tmp_path) -> None:
    path = tmp_path / "factors.parquet"
    for kind, options in (("pandas", {}), ("dask", {"dtype_backend": "pyarrow"})):
        frame, length = case.make().fit(as_kind(LOG, kind)).get_features(LOG[["user_idx"]])
        if frame is None:
            return
        cells = list(to_pandas(frame).user_factors)
        assert all(len(cell) == length for cell in cells)
        frame.to_parquet(path)
        again = pd.read_parquet(path, **options).user_factors
        assert np.allclose(np.stack(list(again)), np.stack(cells))
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("on_cluster", [False, True])
def test_users_may_stay_in_shards(
    case: Case, on_cluster: bool, request, tmp_path, monkeypatch
) -> None:
    with dask.config.set(scheduler="threads"):
        expected = case.make().fit(LOG).predict(LOG, 5)
        unfiltered = case.make().fit(LOG).predict(LOG, 5, filter_seen_items=False)
    if on_cluster:
        request.getfixturevalue("client")
    limits = {"daskrec.user-id-limit": 10, "daskrec.share-limit": 1}
    monkeypatch.setattr("daskrec.data.ranges._ROWS_WORTH_A_TASK", 50)
    monkeypatch.setattr("daskrec.models.item_pairs._WORTH_A_RANGE", 50)
    log = with_empty_partitions(LOG, 7)
    with dask.config.set(limits):
        model = case.make().fit(log)
        assert len(model._catalogue.user_ids.shards) > 1
        assert model.users_count == LOG.user_idx.nunique()
        assert_same(model.predict(log, 5), expected, case.tolerance)
        assert_same(model.predict(LOG, 5), expected, case.tolerance)
        assert to_pandas(model.fit_users).user_idx.tolist() == sorted(LOG.user_idx.unique())
        if not model._needs_history:
            assert_same(model.predict(None, 5), unfiltered, case.tolerance)
        model.save(tmp_path / "model")
        assert_same(case.load(tmp_path / "model").predict(LOG, 5), expected, case.tolerance)
