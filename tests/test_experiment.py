"""The table of an experiment: the original's numbers, its two forms, and its pictures."""

import numpy as np
import pandas as pd
import pytest
from support.logs import KINDS, as_kind, random_log

from daskrec.errors import LogError
from daskrec.experiment import Experiment
from daskrec.metrics import (
    NDCG,
    ConfidenceInterval,
    Coverage,
    HitRate,
    Median,
    PerUser,
    Precision,
    Surprisal,
    Unexpectedness,
)

COLUMNS = ["user_idx", "item_idx", "relevance"]
LOG = pd.DataFrame([(2, 1, 5), (2, 2, 5), (2, 3, 5), (1, 3, 5)], columns=COLUMNS)
TEST = pd.DataFrame([(1, 1, 5), (1, 2, 3), (1, 3, 4)], columns=COLUMNS)
BASELINE = pd.DataFrame([(1, 1, 5), (1, 4, 4), (1, 5, 5)], columns=COLUMNS)
MODEL = pd.DataFrame([(1, 4, 5), (1, 1, 4), (1, 3, 5)], columns=COLUMNS)


def filled(experiment: Experiment, kind: str = "pandas") -> Experiment:
    experiment.add_result("baseline", as_kind(BASELINE, kind))
    experiment.add_result("model", as_kind(MODEL, kind))
    return experiment


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_of_the_original(kind: str) -> None:
    log, test = as_kind(LOG, kind), as_kind(TEST, kind)
    experiment = filled(Experiment(test, {Surprisal(log): 3, NDCG(): [3, 2]}), kind)
    expected = pd.DataFrame(
        {
            "NDCG@2": [0.613147, 0.386853],
            "NDCG@3": [0.469279, 0.530721],
            "Surprisal@3": [1.0, 0.666667],
        },
        index=["baseline", "model"],
    )
    pd.testing.assert_frame_equal(experiment.results, expected, atol=1e-6)
    told = experiment.compare("baseline")
    assert told.loc["model"].tolist() == ["-36.91%", "13.09%", "-33.33%"]
    assert told.loc["baseline"].tolist() == ["\u2013"] * 3


def test_medians_and_intervals_of_the_original() -> None:
    options = {"calc_median": True, "calc_conf_interval": 0.95}
    found = filled(Experiment(TEST, {Precision(): [3]}, **options)).results
    assert list(found) == [
        "Precision@3", "Precision@3_median", "Precision@3_0.95_conf_interval",
    ]  # fmt: skip
    np.testing.assert_allclose(found.loc["baseline"], [1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(found.loc["model"], [2 / 3, 2 / 3, 0])
    with pytest.warns(UserWarning, match="Coverage"):  # items 4 and 5 are not in the log
        found = filled(Experiment(TEST, {Coverage(LOG): 3}, **options)).results
    assert list(found) == ["Coverage@3", "Coverage@3_median", "Coverage@3_0.95_conf_interval"]
    assert found.to_numpy().tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]


def test_positional_options_and_keywords_name_the_same_form() -> None:
    by_place = Experiment(TEST, {NDCG(): 2}, True, 0.9)
    by_name = Experiment(test=TEST, metrics={NDCG(): 2}, calc_median=True, calc_conf_interval=0.9)
    pd.testing.assert_frame_equal(filled(by_place).results, filled(by_name).results)
    assert "NDCG@2_0.9_conf_interval" in by_place.results
    # What does not end in a digit is no mean.
    assert list(by_place.compare("model")) == ["NDCG@2"]


def test_the_form_of_today() -> None:
    metrics = [NDCG([2, 3]), Surprisal(3)]
    experiment = filled(Experiment(metrics, TEST, LOG))
    original = filled(Experiment(TEST, {NDCG(): [2, 3], Surprisal(LOG): 3}))
    pd.testing.assert_frame_equal(experiment.results, original.results)
    by_name = filled(Experiment(metrics=metrics, ground_truth=TEST, train=LOG))
    pd.testing.assert_frame_equal(by_name.results, original.results)


def test_modes_and_baselines_name_columns() -> None:
    metrics = [
        Precision(3, mode=Median()), Precision(3, mode=ConfidenceInterval(0.95)),
        Unexpectedness([1, 3]),
    ]  # fmt: skip
    bases = {"first": BASELINE, "second": MODEL}
    found = filled(Experiment(metrics, TEST, base_recommendations=bases)).results
    assert list(found) == [
        "Precision-Median@3", "Precision-ConfidenceInterval@3",
        "Unexpectedness_first@1", "Unexpectedness_first@3",
        "Unexpectedness_second@1", "Unexpectedness_second@3",
    ]  # fmt: skip
    assert found.loc["baseline", "Unexpectedness_first@3"] == 0
    assert found.loc["model", "Unexpectedness_second@3"] == 0
    assert found.loc["model", "Unexpectedness_first@3"] == pytest.approx(1 / 3)
    single = filled(Experiment([Unexpectedness(3)], TEST, base_recommendations=BASELINE)).results
    assert single["Unexpectedness@3"].tolist() == found["Unexpectedness_first@3"].tolist()


def test_columns_may_have_names_of_their_own() -> None:
    names = {"user_idx": "who", "item_idx": "what", "relevance": "points"}
    told = Experiment(
        [NDCG([2, 3])], TEST.rename(columns=names), query_column="who", item_column="what",
        rating_column="points",
    )  # fmt: skip
    told.add_result("model", MODEL.rename(columns=names))
    assert told.results.loc["model"].round(6).tolist() == [0.386853, 0.530721]


def test_metrics_of_one_name_on_two_logs_stand_apart() -> None:
    other = LOG.assign(user_idx=[1, 2, 3, 4])
    found = filled(Experiment(TEST, {Surprisal(LOG): 1, NDCG(): 2, Surprisal(other): 3})).results
    assert found.loc["model", "Surprisal@3"] == Surprisal(other)(MODEL, 3)
    assert found.loc["model", "Surprisal@1"] == Surprisal(LOG)(MODEL, 1)


def test_a_row_is_replaced_and_keeps_its_place() -> None:
    experiment = filled(Experiment(TEST, {NDCG(): 2}))
    experiment.add_result("baseline", MODEL)
    assert experiment.results.index.tolist() == ["baseline", "model"]
    assert experiment.results["NDCG@2"].nunique() == 1
    assert experiment.compare("model").loc["baseline", "NDCG@2"] == "0.0%"


def test_nothing_is_divided_by_zero_without_saying_so() -> None:
    experiment = Experiment(TEST, {NDCG(): 1})
    misses = BASELINE.assign(item_idx=[7, 8, 9])
    for name in ("none", "none either"):
        experiment.add_result(name, misses)
    experiment.add_result("some", BASELINE)
    told = experiment.compare("none")["NDCG@1"]
    assert told.tolist() == ["\u2013", "0.0%", "inf%"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((TEST, [NDCG()]), "mapping"),
        ((TEST, {"NDCG": 3}), "must be metrics"),
        ((TEST, {}), "must be metrics"),
        (([NDCG()], TEST), "no lengths"),
        (([NDCG(2, mode=PerUser())], TEST), "PerUser"),
        ((TEST, {NDCG(): 0}), "positive"),
        ((TEST, {NDCG(): 1}, False, 1.5), "alpha"),
    ],
)
def test_bad_arguments_are_told_at_once(arguments: tuple, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Experiment(*arguments)


def test_unknown_rows_and_metrics_are_told() -> None:
    experiment = filled(Experiment(TEST, {NDCG(): 2}))
    with pytest.raises(ValueError, match=r"No results for model other.*baseline"):
        experiment.compare("other")
    with pytest.raises(LogError, match="no metric 'MRR'"):
        experiment.plot_leaderboard("MRR")
    with pytest.raises(LogError, match="add_result"):
        Experiment(TEST, {NDCG(): 2}).plot_leaderboard()


def test_figures_hold_what_the_table_holds() -> None:
    log = random_log()
    truth = log.groupby("user_idx", sort=False).tail(3)
    recs = log.sample(frac=0.5, random_state=1)
    experiment = Experiment(
        truth, {HitRate(): [1, 5], NDCG(): [1, 5], Coverage(log): [1, 5]}, calc_conf_interval=0.9
    )
    experiment.add_result("half", recs)
    experiment.add_result("<b>all</b>", log)
    half = experiment.results["NDCG@5_0.9_conf_interval"]

    bars = experiment.plot_leaderboard()
    assert {bar.name: bar.x[0] for bar in bars.data} == {
        "half": experiment.results.loc["half", "NDCG@5"],
        "&lt;b&gt;all&lt;/b&gt;": experiment.results.loc["<b>all</b>", "NDCG@5"],
    }
    errors = {bar.name: bar.error_x.array[0] for bar in bars.data}
    assert errors["half"] == pytest.approx(half["half"])
    assert bars.layout.title.text == "NDCG@5"

    points = experiment.plot_tradeoff("Coverage", "HitRate@1")
    assert points.layout.title.text == "HitRate@1 against Coverage@1"
    assert [point.x[0] for point in points.data] == experiment.results["Coverage@1"].tolist()

    lines = experiment.plot_by_k("HitRate")
    assert lines.data[0].y == tuple(experiment.results.loc["half", ["HitRate@1", "HitRate@5"]])
    assert lines.data[0].x == (1, 5)


def test_a_missing_plotly_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    experiment = filled(Experiment(TEST, {NDCG(): 2}))
    with pytest.raises(ImportError, match=r"daskrec\[viz\]"):
        experiment.plot_leaderboard()
