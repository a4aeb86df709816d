"""The training loop: epochs, the best weights, checkpoints, several processes."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from support.lines import Line

from daskrec.errors import FormatError
from daskrec.nn.training.checkpoint import Checkpoints, best_weights
from daskrec.nn.training.loop import Training
from daskrec.nn.training.parallel import Group
from daskrec.nn.training.run import Job, train
from daskrec.nn.training.state import COLUMNS, Plan

PLAN = Plan(0.1, 6, 0.0, 0.2, 3, None)
CPU = torch.device("cpu")


def run(problem=None, plan=PLAN, keeper=None):
    return Training(problem or Line(), plan, CPU, Group(), keeper).run()


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_it_learns_and_tells_how() -> None:
    weights, history = run(plan=dataclasses.replace(PLAN, epochs=60))
    assert weights["weight"].item() == pytest.approx(3, abs=0.3)
    assert [len(row) for row in history] == [len(COLUMNS)] * 60
    assert [row[0] for row in history] == list(range(1, 61))
    assert history[-1][2] < 0.01 < history[0][2]


def test_the_loss_is_the_mean_and_adam_is_torchs() -> None:
    problem = Line(batch_size=100, held=0)
    weights, history = run(problem, dataclasses.replace(PLAN, epochs=3, weight_decay=0.01))
    network = problem.start(CPU)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1, weight_decay=0.01)
    losses = []
    for epoch in range(3):
        (batch,) = problem.batches(epoch, Group())
        optimiser.zero_grad()
        loss = problem.loss(network, batch.places) / 64
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert [row[1] for row in history] == pytest.approx(losses, rel=1e-5)
    assert all(row[2] != row[2] for row in history)  # nothing is held out
    expected = network.state_dict()
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor, expected[name])


def test_the_best_epoch_is_kept_and_patience_ends_a_training() -> None:
    wild = dataclasses.replace(PLAN, learning_rate=3.0, epochs=40, early_stopping=4, patience=50)
    weights, history = run(plan=wild)
    values = [row[2] for row in history]
    best = values.index(min(values))
    assert len(history) == best + 1 + 4 < 40
    until = dataclasses.replace(wild, epochs=best + 1, early_stopping=None)
    assert same(weights, run(plan=until)[0])


def test_the_learning_rate_falls_when_nothing_gets_better() -> None:
    slow = dataclasses.replace(PLAN, learning_rate=3.0, epochs=30, patience=1, factor=0.1)
    rates = [row[3] for row in run(plan=slow)[1]]
    assert rates[0] == 3.0
    assert rates[-1] < 0.5


def test_a_loss_that_is_no_number_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ArithmeticError, match="smaller learning_rate"):
        run(Line(broken=float("inf")))


def test_a_validation_that_is_no_number_is_the_same_error() -> None:
    class Diverging(Line):
        def loss(self, network, piece):
            return super().loss(network, piece) * (1.0 if torch.is_grad_enabled() else float("nan"))

    with pytest.raises(ArithmeticError, match="smaller learning_rate"):
        run(Diverging(), dataclasses.replace(PLAN, epochs=1))


# ---------------------------------------------------------------- checkpoints


def keeper(path, **about):
    return Checkpoints(path, {"model": "line", "seed": 1, **about})


@pytest.mark.parametrize("every", [None, 1, 4])
@pytest.mark.parametrize("after", [3, 7, 13, 20])
def test_it_goes_on_where_it_was_cut(tmp_path, monkeypatch, every, after) -> None:
    plan = dataclasses.replace(PLAN, checkpoint_steps=every)
    expected, history = run(plan=plan)
    calls = []
    update = Training._update

    def cut(self, *args):
        if len(calls) == after:
            raise KeyboardInterrupt
        calls.append(1)
        update(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "_update", cut)
        with pytest.raises(KeyboardInterrupt):
            run(plan=plan, keeper=keeper(tmp_path / "kept"))
    found, again = run(plan=plan, keeper=keeper(tmp_path / "kept"))
    assert same(found, expected)
    for row, wanted in zip(again, history, strict=True):
        assert row[:4] == pytest.approx(wanted[:4], rel=1e-12)
    assert same(best_weights(tmp_path / "kept"), expected)


def test_a_finished_training_is_not_run_again_and_more_epochs_go_on(tmp_path) -> None:
    trace = tmp_path / "trace"
    problem = Line(trace=str(trace))
    first, _ = run(problem, keeper=keeper(tmp_path / "kept"))
    lines = len(trace.read_text().splitlines())
    again, history = run(problem, keeper=keeper(tmp_path / "kept"))
    assert same(first, again)
    assert len(history) == 6
    assert len(trace.read_text().splitlines()) == lines
    more = dataclasses.replace(PLAN, epochs=9)
    assert same(run(plan=more)[0], run(problem, more, keeper(tmp_path / "kept"))[0])
    assert len(trace.read_text().splitlines()) == lines * 9 // 6


def test_a_folder_holds_one_checkpoint_and_nothing_else(tmp_path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "notes.txt").write_text("mine")
    (tmp_path / "kept" / "weights-000001-00000000.safetensors.part-0").write_text("of a kill")
    run(keeper=keeper(tmp_path / "kept"))
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    manifest = json.loads((tmp_path / "kept" / "manifest.json").read_text())
    assert names == sorted({"notes.txt", "manifest.json", *manifest["files"].values()})


def test_another_training_is_refused(tmp_path) -> None:
    run(keeper=keeper(tmp_path / "kept"))
    run(keeper=keeper(tmp_path / "other", log="x"))
    with pytest.raises(ValueError, match="log 'x' there, 'y' here"):
        keeper(tmp_path / "other", log="y")
    manifest = tmp_path / "kept" / "manifest.json"
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(said | {"version": 99}))
    with pytest.raises(FormatError, match="newer daskrec"):
        keeper(tmp_path / "kept")
    manifest.write_text(json.dumps({"format": "else"}))
    with pytest.raises(ValueError, match="something else"):
        keeper(tmp_path / "kept")


def test_damaged_weights_are_an_error(tmp_path) -> None:
    run(keeper=keeper(tmp_path / "kept"))
    for path in (tmp_path / "kept").glob("*.safetensors"):
        path.write_bytes(b"no weights")
    with pytest.raises(FormatError, match="no file of weights"):
        run(keeper=keeper(tmp_path / "kept"))


def test_checkpoints_go_to_any_file_system() -> None:
    url = "memory://checkpoints/line"
    expected, _ = run(keeper=keeper(url))
    assert same(best_weights(url), expected)
    assert same(run(keeper=keeper(url))[0], expected)


KILLED = """
import sys, time
from support.lines import Line
from daskrec.nn.training.state import Plan
from daskrec.nn.training.run import Job, train
class Slow(Line):
    def loss(self, *args):
        time.sleep(0.02)
        return super().loss(*args)
job = Job(Slow(trace=sys.argv[2]), Plan(0.1, 6, 0.0, 0.2, 3, None, 2), "cpu",
                   sys.argv[1], {"model": "line", "seed": 1})
train(job, 1)
"""


def test_a_killed_training_ends_with_the_same_weights(tmp_path) -> None:
    folder, trace = str(tmp_path / "kept"), tmp_path / "trace"
    paths = os.pathsep.join(p for p in sys.path if p)
    command = [sys.executable, "-c", KILLED, folder, str(trace)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if trace.exists() and len(trace.read_text().splitlines()) > 50:  # amid the third epoch
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    plan = dataclasses.replace(PLAN, checkpoint_steps=2)
    found, history = run(plan=plan, keeper=keeper(folder))
    assert same(found, run(plan=plan)[0])
    assert len(history) == 6


# ---------------------------------------------------------------- where it runs


def test_a_worker_trains_as_this_process_does(client) -> None:
    job = Job(Line(), PLAN, "cpu")
    weights, history = train(job, 1)
    expected, rows = run()
    for name, array in weights.get().items():
        torch.testing.assert_close(torch.from_numpy(array.copy()), expected[name])
    assert history[:, :4].tolist() == [pytest.approx(row[:4]) for row in rows]


def test_two_processes_train_as_one_does(client) -> None:
    weights, history = train(Job(Line(), PLAN, "cpu"), 2)
    expected, rows = run()
    for name, array in weights.get().items():
        torch.testing.assert_close(torch.from_numpy(array.copy()), expected[name])
    assert history[:, :4].tolist() == [pytest.approx(row[:4], rel=1e-5) for row in rows]


def test_two_processes_go_on_from_a_checkpoint_of_one(client, tmp_path) -> None:
    about = {"model": "line", "seed": 1}
    run(plan=dataclasses.replace(PLAN, epochs=2), keeper=keeper(tmp_path / "kept"))
    job = Job(Line(), PLAN, "cpu", str(tmp_path / "kept"), about)
    weights, history = train(job, 2)
    assert len(history) == 6
    for name, array in weights.get().items():
        torch.testing.assert_close(torch.from_numpy(array.copy()), run()[0][name])


def test_more_processes_than_workers_are_an_error(client) -> None:
    with pytest.raises(ValueError, match=r"3 processes .* 2 workers"):
        train(Job(Line(), PLAN, "cpu"), 3)


def test_without_a_client_there_are_no_other_processes() -> None:
    with pytest.raises(ValueError, match="0 workers of a Dask client"):
        train(Job(Line(), PLAN, "cpu"), 2)


def test_an_error_in_one_process_ends_them_all(client) -> None:
    job = Job(Line(broken=float("nan")), PLAN, "cpu")
    began = time.monotonic()
    with pytest.raises(ArithmeticError, match="smaller learning_rate"):
        train(job, 2)
    assert time.monotonic() - began < 60
    train(Job(Line(), PLAN, "cpu"), 2)  # the workers are whole


def test_threads_of_torch_stay_what_they_were() -> None:
    before = torch.get_num_threads(), torch.random.get_rng_state()
    run()
    assert torch.get_num_threads() == before[0]
    train(Job(Line(), PLAN, "cpu"), 1)
    assert torch.get_num_threads() == before[0]
