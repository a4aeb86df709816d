"""What the benchmarks of neural models rest on: the split of held-out users, the reference."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import environment, held_out, recbole
from benchmarks.protocols import ITEM, USER


def _log(users: int = 1500, items: int = 60, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {USER: rng.integers(0, users, 30 * users), ITEM: rng.geometric(0.08, 30 * users) % items}
    )
    return frame.drop_duplicates(ignore_index=True)


def test_held_out_users_are_in_no_training_and_give_four_fifths() -> None:
    data = held_out.split(_log(), 5)
    parts = [set(part.given[USER]) for part in (data.validation, data.test)]
    assert [len(part) for part in parts] == [held_out.HELD, held_out.HELD]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & set(data.train[USER])
    for part in (data.validation, data.test):
        assert set(part.given[ITEM]) | set(part.truth[ITEM]) <= set(data.train[ITEM])
        assert part.given.merge(part.truth).empty
        given, asked = (log.groupby(USER).size() for log in part)
        asked = asked.reindex(given.index, fill_value=0)
        assert (asked == np.floor(held_out.ASKED * (given + asked))).all()
    again, other = held_out.split(_log(), 5), held_out.split(_log(), 6)
    assert data.test.truth.equals(again.test.truth)
    assert set(other.test.given[USER]) != parts[1]


def test_figures_of_held_out_users_by_hand() -> None:
    truth = pd.DataFrame({USER: [1, 1, 2], ITEM: [10, 11, 12]})
    recs = pd.DataFrame({USER: [1, 1, 1, 2], ITEM: [9, 11, 10, 13]})
    found = held_out.measure(recs, truth)
    gain = 1 / np.log2(3) + 1 / np.log2(4)
    assert found["recall@20"] == found["recall@50"] == 0.5
    assert found["ndcg@100"] == pytest.approx(gain / (1 + 1 / np.log2(3)) / 2)


def test_the_reference_learns_who_likes_what() -> None:
    torch = pytest.importorskip("torch")
    from benchmarks import vae_reference

    rng = np.random.default_rng(0)
    rows = [
        (user, 30 * (user % 2) + item)  # two kinds of users, each with items of its own
        for user in range(1600)
        for item in rng.choice(30, 12, replace=False)
    ]
    data = held_out.split(pd.DataFrame(rows, columns=[USER, ITEM]), 0)
    before = torch.random.get_rng_state()
    fitted = vae_reference.fit(data, 0, epochs=20, rise=10)
    assert torch.equal(before, torch.random.get_rng_state())
    recs = fitted.lists(data.test.given)
    best = recs.groupby(USER).head(10)
    assert ((best[ITEM] >= 30) == (best[USER] % 2 == 1)).mean() > 0.99
    assert len(fitted.curve) == 20 / vae_reference.LOOK


def test_an_environment_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.txt").write_text("words")
    monkeypatch.setenv(recbole.ENVIRONMENT, str(tmp_path))
    pytest.importorskip("torch")
    with pytest.raises(SystemExit, match="not empty"), recbole.peer(_log(), {}):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_peer_that_ends_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    # An interpreter without RecBole: the process starts, and ends at the first question.
    monkeypatch.setattr(environment, "make", lambda *_: Path(sys.executable))
    spec = {"model": {"class": "NoModel", "params": {}}}
    with (
        recbole.peer(_log().head(50), spec) as peer,
        pytest.raises(RuntimeError, match="process ended"),
    ):
        peer.train("model", 1)
