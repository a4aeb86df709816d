"""Saving and loading: the same answers, nothing lost, nothing but arrays and JSON."""

import json
import subprocess
import sys

import numpy as np
import pytest
from support.cases import Case
from support.logs import as_kind, assert_same, random_log

import daskrec
from daskrec.errors import FormatError

LOG = random_log()


@pytest.mark.parametrize("kind", ["pandas", "polars", "dask"])
def test_a_loaded_model_answers_as_the_saved_one(case: Case, tmp_path, kind: str) -> None:
    log = as_kind(LOG, kind)
    model = case.make().fit(log)
    daskrec.save(model, tmp_path / "model")
    again = case.load(tmp_path / "model")
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert again.users_count == model.users_count
    assert_same(again.predict(log, 5), model.predict(log, 5))
    assert_same(again.fit_items, model.fit_items)
    if model.can_predict_item_to_item:
        assert_same(again.get_nearest_items([-20], 3), model.get_nearest_items([-20], 3))


def test_string_ids_survive(case: Case, tmp_path) -> None:
    log = LOG.assign(user_idx=LOG.user_idx.map("ü{}".format))
    model = case.make().fit(log)
    model.save(tmp_path / "model")
    assert_same(case.load(tmp_path / "model").predict(log, 3), model.predict(log, 3))


def test_any_file_system_serves(case: Case) -> None:
    url = f"memory://models/{abs(hash(str(case)))}"
    model = case.make().fit(LOG)
    model.save(url)
    assert_same(case.load(url).predict(LOG, 3), model.predict(LOG, 3))


def test_what_is_there_is_not_overwritten_unasked(case: Case, tmp_path) -> None:
    path = tmp_path / "model"
    case.make().fit(LOG).save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        case.make().fit(LOG).save(path)
    other = case.make().fit(random_log(seed=4))
    other.save(path, overwrite=True)
    assert daskrec.load(path).users_count == other.users_count
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_a_folder_holds_no_pickle(case: Case, tmp_path) -> None:
    case.make().fit(LOG).save(tmp_path / "model")
    suffixes = {file.suffix for file in (tmp_path / "model").rglob("*") if file.is_file()}
    assert suffixes <= {".json", ".npy", ".arrow", ".safetensors"}
    for file in (tmp_path / "model").rglob("*.npy"):
        np.load(file, allow_pickle=False)


def test_a_newer_format_and_damage_are_refused_by_name(case: Case, tmp_path) -> None:
    path = tmp_path / "model"
    case.make().fit(LOG).save(path)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"version": 99, "daskrec": "9.9"}))
    with pytest.raises(FormatError, match=r"daskrec-model 99, written by daskrec 9\.9"):
        daskrec.load(path)
    (path / "manifest.json").write_text(json.dumps(manifest | {"class": "Params"}))
    with pytest.raises(FormatError, match="unknown class"):
        daskrec.load(path)
    (path / "manifest.json").write_text(json.dumps(manifest))
    array = next(path.glob("items/*/values.npy"))
    array.write_bytes(array.read_bytes()[:-8] + b"\x07" * 8)
    with pytest.raises(FormatError, match="damaged"):
        daskrec.load(path)


def test_a_path_without_a_model(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no model"):
        daskrec.load(tmp_path / "nothing")
    (tmp_path / "other").mkdir()
    with pytest.raises(FormatError, match="not a model"):
        daskrec.load(tmp_path / "other")


def test_a_model_loads_in_another_process_without_the_log(case: Case, tmp_path) -> None:
    model = case.make().fit(LOG)
    model.save(tmp_path / "model")
    LOG.to_parquet(tmp_path / "log.parquet")
    code = (
        "import sys, daskrec, pandas as pd;"
        "model = daskrec.load(sys.argv[1]);"
        "log = pd.read_parquet(sys.argv[2]);"
        "model.predict(log, 3, recs_file_path=sys.argv[3])"
    )
    if case.featured:
        model._features_for(LOG).to_parquet(tmp_path / "log.parquet")
    if case.hybrid:
        for role, frame in zip(("user", "item"), model._features([LOG], [LOG]), strict=True):
            path = tmp_path / f"{role}s.parquet"
            frame.to_parquet(path)
            code = code.replace("(log, 3", f"(log, 3, {role}_features={str(path)!r}")
    paths = [str(tmp_path / name) for name in ("model", "log.parquet", "recs.parquet")]
    subprocess.run([sys.executable, "-c", code, *paths], check=True, timeout=120)
    import pandas as pd

    options = {"filter_seen_items": False} if case.featured else {}
    expected = model.predict(LOG, 3, **options)
    assert_same(pd.read_parquet(paths[2]), expected)
