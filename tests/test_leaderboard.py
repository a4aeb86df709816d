"""The leaderboard on real data: the original's figures, from our split, models and metrics.

The original's figures (``benchmarks.original_figures``) are those of replay-rec 0.22.0 on
pyspark 3.5.9, as its own metrics compute them from its own lists on its own split, measured by
``python -m benchmarks original --data ml-100k`` and ``--data ml-1m``.

Items of equal score are told apart by putting our ties in the original's order:

- Its metrics read equal items by descending id, ours in the order of the list, which is
  ascending. So lists of popularity and of Wilson's bound are sorted that way before they are
  measured. No list holds other items than the original's: equal items all fit, or none does.
- Its KNN keeps neighbours of equal similarity by descending id, ours by ascending id. So ids of
  items are negated for it.
"""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import __main__ as command
from benchmarks import leaderboard, original
from benchmarks import leaderboard_data as board
from benchmarks.original_figures import EXACT, PUBLISHED, RUNS

real = pytest.mark.data
ENTRIES = {entry.key: entry for entry in board.ENTRIES}
SIZES = {
    "ml-100k": [(66_016, 752, 1_501), (2_279, 104, 824), 80_253],
    "ml-1m": [(669_182, 5_389, 3_573), (86_029, 1_130, 3_284), 798_441],
}


@pytest.fixture(scope="module", params=board.SETS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def split(data: Path, name: str) -> board.Split:
    return board.load(data, name)


def lists(key: str, split: board.Split) -> pd.DataFrame:
    entry = ENTRIES[key]
    return board.predict(entry, board.fit(entry, split), split)


def figures(key: str, name: str) -> dict[str, float]:
    return {metric: RUNS[name][key][metric] for metric in board.METRICS}


@real
def test_the_split_is_the_one_that_the_original_made(name: str, split: board.Split) -> None:
    parts = [
        (len(log), log["user_id"].nunique(), log["item_id"].nunique())
        for log in (split.train, split.test)
    ]
    assert [*parts, len(split.outcomes)] == SIZES[name]


@real
@pytest.mark.parametrize("key", EXACT)
def test_models_without_chance_give_the_figures_of_the_original(
    key: str, name: str, split: board.Split
) -> None:
    recs = board.with_ties_of_the_original(lists(key, split))
    found = board.measure(recs, split)
    assert found == pytest.approx(figures(key, name), rel=0, abs=1e-9)


@real
def test_neighbours_give_the_figures_of_the_original(name: str, split: board.Split) -> None:
    negated = split._replace(
        **{
            part: getattr(split, part).assign(item_id=-getattr(split, part)["item_id"])
            for part in ("train", "test", "outcomes")
        }
    )
    found = board.measure(lists("knn", negated), negated)
    assert found == pytest.approx(figures("knn", name), rel=0, abs=1e-9)


@real
def test_popularity_is_near_what_was_published(data: Path) -> None:
    split = board.load(data, "ml-1m")
    found = board.measure(lists("pop", split), split)
    assert found["NDCG"] == pytest.approx(0.2421, abs=0.001)
    assert found["MRR"] == pytest.approx(0.3886, abs=0.001)
    # The published figures are on the original times, of which this data set has 39 %.
    for metric, value in PUBLISHED["pop"].items():
        assert found[metric] == pytest.approx(value, abs=0.004)


@real
def test_the_leaderboard_has_a_verdict_on_what_has_to_be_equal(data: Path) -> None:
    table = leaderboard.run(data, "ml-100k", RUNS["ml-100k"], ["pop", "wilson", "slim"])
    libraries = [(row[0].split("(")[0], row[1], row[-1]) for row in table.rows]
    assert sorted(libraries) == [
        ("`PopRec", "daskrec", "pass"),
        ("`PopRec", "original", ""),
        ("`SLIM", "daskrec", ""),
        ("`SLIM", "original", ""),
        ("`Wilson", "daskrec", "pass"),
        ("`Wilson", "original", ""),
    ]
    assert table.passed
    other = {"pop": {**RUNS["ml-100k"]["pop"], "MAP": RUNS["ml-100k"]["pop"]["MAP"] + 1e-8}}
    table = leaderboard.run(data, "ml-100k", other, ["pop"])
    assert not table.passed


def test_every_figure_that_is_kept_is_of_an_entry() -> None:
    for name in board.SETS:
        assert set(RUNS[name]) <= set(ENTRIES)
        assert set(EXACT) <= set(RUNS[name])
        for kept in RUNS[name].values():
            assert set(board.METRICS) <= set(kept) <= {*board.METRICS, "fit", "predict"}


@pytest.mark.parametrize("name", command.COMMANDS)
def test_commands_have_options_of_their_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([name, "--help"])
    assert f"python -m benchmarks {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["leaderboard", "original"])
def test_commands_that_need_data_say_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DASKREC_DATA", raising=False)
    with pytest.raises(SystemExit, match="DASKREC_DATA"):
        command.main([name])


def test_rows_are_compared_whatever_their_order() -> None:
    log = pd.DataFrame(
        {"user_id": [1, 2, 1], "item_id": [7, 7, 8], "rating": 1.0, "timestamp": [3, 1, 2]}
    )
    assert original.same_rows(log, log[::-1])
    assert not original.same_rows(log, log.assign(timestamp=[3, 1, 1]))
    assert not original.same_rows(log, log[1:])


def test_the_environment_of_the_original_needs_java(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SystemExit, match="Java 17"):
        original.make_environment(tmp_path / "env")
    assert not (tmp_path / "env").exists()


def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "thesis.txt").write_text("words")
    with pytest.raises(SystemExit, match="not empty"):
        original.make_environment(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_environment_that_is_there_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "requirements.txt").write_text("\n".join(original.REQUIREMENTS))
    assert original.make_environment(tmp_path) == tmp_path / "bin" / "python"
