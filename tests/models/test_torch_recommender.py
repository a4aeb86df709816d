"""What the neural models have in common: training, checkpoints, devices, what is saved."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
import torch
from support.logs import assert_same, random_log, with_empty_partitions

import daskrec
from daskrec.errors import FormatError, NotFittedError
from daskrec.models import MultVAE, NeuroMF
from daskrec.nn import device as devices
from daskrec.nn.training import source
from daskrec.nn.training.neuro_mf import PIECE

LOG = random_log()
MODELS = {
    "MultVAE": (MultVAE, {"latent_dim": 4, "hidden_dim": 8, "batch_size": 10}),
    "NeuroMF": (
        NeuroMF,
        {
            "embedding_gmf_dim": 4,
            "embedding_mlp_dim": 4,
            "hidden_mlp_dims": [4],
            "batch_size": 100,
            "exclude_positives": True,
        },
    ),
}


@pytest.fixture(params=list(MODELS))
def make(request):
    """Make one of the models, with a seed and few epochs."""
    model, params = MODELS[request.param]

    def made(**more):
        return model(**{"learning_rate": 0.02, "epochs": 4, "seed": 3, **params, **more})

    return made


def weights(model) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in model._weights.get().items()}


def assert_equal(one, other) -> None:
    mine, theirs = weights(one), weights(other)
    assert list(mine) == list(theirs)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)


def assert_near(one, other, tolerance: float = 1e-4) -> None:
    mine, theirs = weights(one), weights(other)
    for name, array in mine.items():
        np.testing.assert_allclose(array, theirs[name], atol=tolerance, rtol=0, err_msg=name)


# ---------------------------------------------------------------- seeds


def test_a_seed_gives_the_same_weights_in_any_partitioning(make) -> None:
    model = make().fit(LOG)
    assert_equal(model, make().fit(LOG))
    assert_equal(model, make().fit(with_empty_partitions(LOG, 7)))
    others = [make(seed=seed).fit(LOG) for seed in (4, None, None)]
    firsts = [next(iter(weights(m).values())) for m in (model, *others)]
    for one, other in itertools.combinations(firsts, 2):
        assert not np.array_equal(one, other)


def test_global_generators_and_threads_stay_as_they_were(make) -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    make().fit(LOG)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert torch.get_num_threads() == before[2]


def test_a_log_of_many_windows_is_learned_a_window_at_a_time(make, monkeypatch) -> None:
    whole = make(epochs=25).fit(LOG).history_
    monkeypatch.setattr(source, "WINDOW", 100)
    monkeypatch.setattr(source, "PAGES", 2)
    model = make(epochs=25).fit(LOG)
    assert_equal(model, make(epochs=25).fit(with_empty_partitions(LOG, 7)))
    assert model.history_.loss.iloc[-1] == pytest.approx(whole.loss.iloc[-1], rel=0.2)
    assert model.history_.loss.iloc[-1] < whole.loss.iloc[0]


def test_micro_batches_change_nothing_but_rounding(make, monkeypatch) -> None:
    model = make().fit(LOG)
    monkeypatch.setitem(PIECE, "cpu", 7)
    assert_near(model, make().fit(LOG))


# ---------------------------------------------------------------- history


def test_history_has_a_row_an_epoch_and_is_saved(make, tmp_path) -> None:
    model = make().fit(LOG)
    history = model.history_
    assert list(history) == ["epoch", "loss", "val_loss", "learning_rate", "seconds", "rate"]
    assert history.epoch.tolist() == [1, 2, 3, 4]
    assert np.isfinite(history.to_numpy()).all()
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(daskrec.load(tmp_path / "model").history_, history)
    alone = make(validation_share=0.0).fit(LOG).history_
    assert alone.val_loss.isna().all()
    with pytest.raises(NotFittedError):
        make().history_  # noqa: B018


def test_the_history_is_drawn(make) -> None:
    model = make().fit(LOG)
    figure = model.plot_history()
    assert [trace.name for trace in figure.data] == ["training", "validation"]
    assert list(figure.data[0].y) == model.history_.loss.tolist()
    assert len(make(validation_share=0.0).fit(LOG).plot_history().data) == 1


def test_a_bar_shows_loss_and_speed(make, capsys) -> None:
    with dask.config.set({"daskrec.progress": True}):
        model = make().fit(LOG)
    err = capsys.readouterr().err
    assert f"{model}: loss" in err
    assert "validation" in err
    assert "/s" in err


def test_a_rate_that_is_too_large_is_an_error_and_the_model_stays(make) -> None:
    model = make().fit(LOG)
    before = model.predict(LOG, 3)
    model.set_params(learning_rate=1e30, epochs=50)
    with pytest.raises(ArithmeticError, match="smaller learning_rate"):
        model.fit(LOG)
    assert_same(model.predict(LOG, 3), before)


# ---------------------------------------------------------------- checkpoints


def test_a_folder_of_checkpoints_is_gone_on_from(make, tmp_path) -> None:
    path = str(tmp_path / "kept")
    expected = make(epochs=6).fit(LOG)
    assert_equal(make(epochs=6, checkpoint_path=path).fit(LOG), expected)
    again = make(epochs=6, checkpoint_path=path).fit(LOG)  # finished: nothing is run
    assert_equal(again, expected)
    assert again.history_.seconds.tolist() != expected.history_.seconds.tolist()
    half = str(tmp_path / "half")
    make(epochs=2, checkpoint_path=half).fit(LOG)
    assert_equal(make(epochs=6, checkpoint_path=half).fit(LOG), expected)
    with pytest.raises(ValueError, match="another training"):
        make(epochs=6, checkpoint_path=half).fit(LOG.iloc[1:])
    with pytest.raises(ValueError, match=r"another training \(factor 0.2 there, 0.3 here\)"):
        make(epochs=6, checkpoint_path=half, factor=0.3).fit(LOG)
    with pytest.raises(ValueError, match="6 epochs"):
        make(epochs=3, checkpoint_path=half).fit(LOG)
    names = {entry.name.partition("-")[0] for entry in Path(path).iterdir()}
    assert names == {"manifest.json", "weights", "optimiser", "best"}


def test_parameters_may_be_of_numpy_and_paths_of_pathlib(make, tmp_path) -> None:
    params = {"epochs": np.int64(2), "learning_rate": np.float64(0.02)}
    model = make(**params, checkpoint_path=tmp_path / "kept").fit(LOG)
    assert_equal(make(**params, checkpoint_path=tmp_path / "kept").fit(LOG), model)
    model.save(tmp_path / "model")
    assert daskrec.load(tmp_path / "model").checkpoint_path == str(tmp_path / "kept")


def test_trainings_side_by_side_leave_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    first, second = devices.threads(1), devices.threads(3)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert torch.get_num_threads() == before


def test_without_a_seed_a_training_goes_on_with_its_own(make, tmp_path) -> None:
    path = str(tmp_path / "kept")
    first = make(seed=None, checkpoint_path=path).fit(LOG)
    assert_equal(first, make(seed=None, checkpoint_path=path).fit(LOG))


KILLED = """
import sys
import pandas as pd
from daskrec.nn.training.loop import Training
from tests.models.test_torch_recommender import LOG, MODELS

update = Training._update
def told(self, *args):
    update(self, *args)
    print(self.state.epoch, self.state.step, flush=True)
Training._update = told
model, params = MODELS[sys.argv[1]]
params = {"learning_rate": 0.02, "epochs": 500, "seed": 3, **params}
model(**params, checkpoint_path=sys.argv[2], checkpoint_steps=3).fit(LOG)
"""


def test_a_training_killed_amid_an_epoch_ends_with_the_same_weights(make, tmp_path) -> None:
    path, name = str(tmp_path / "kept"), type(make()).__name__
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *(p for p in sys.path if p)])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, name, path],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        epoch, step = map(int, line.split())
        if epoch == 20 and step == 2:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    more = {"epochs": 30, "checkpoint_steps": 3}
    assert_equal(make(**more, checkpoint_path=path).fit(LOG), make(**more).fit(LOG))


def test_weights_are_taken_from_files(make, tmp_path) -> None:
    path = str(tmp_path / "kept")
    learned = make(checkpoint_path=path).fit(LOG)
    model = make(epochs=1, seed=9).fit(LOG)
    model.load_model(path)
    assert_equal(model, learned)
    assert_same(model.predict(LOG, 5), learned.predict(LOG, 5))
    learned.save(tmp_path / "model")
    (file,) = (tmp_path / "model").rglob("*.safetensors")
    other = make(epochs=1, seed=9).fit(LOG)
    other.load_model(file)
    assert_equal(other, learned)
    smaller = {"latent_dim": 2} if isinstance(model, MultVAE) else {"embedding_gmf_dim": 2}
    with pytest.raises(ValueError, match="holds weights of"):
        make(epochs=1, **smaller).fit(LOG).load_model(path)
    with pytest.raises(NotFittedError):
        make().load_model(path)
    with pytest.raises(FormatError, match="no file of weights"):
        model.load_model(tmp_path / "nowhere")


# ---------------------------------------------------------------- where it runs


def test_two_processes_learn_what_one_does(make, client) -> None:
    with dask.config.set(scheduler="threads"):
        expected = make().fit(LOG)
    model = make(data_parallel=2).fit(with_empty_partitions(LOG, 7))
    assert_near(model, expected)
    assert model.history_.loss.tolist() == pytest.approx(expected.history_.loss.tolist(), rel=1e-4)
    assert_same(model.predict(LOG, 5), expected.predict(LOG, 5), 1e-3)
    with pytest.raises(ValueError, match="2 workers"):
        make(data_parallel=3).fit(LOG)


def test_without_a_client_there_are_no_processes_to_share_with(make) -> None:
    with pytest.raises(ValueError, match="start a cluster"):
        make(data_parallel=2).fit(LOG)


def test_a_saved_model_answers_without_torch(make, tmp_path) -> None:
    model = make().fit(LOG)
    model.save(tmp_path / "model")
    LOG.to_parquet(tmp_path / "log.parquet")
    code = """
import sys
sys.modules["torch"] = None
import pandas as pd, daskrec
model, log = daskrec.load(sys.argv[1]), pd.read_parquet(sys.argv[2])
model.predict(log, 5).to_parquet(sys.argv[3])
model.predict_pairs(log[["user_idx", "item_idx"]], log)
try:
    model.fit(log)
except ImportError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, "model", "log.parquet", "recs.parquet"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "pip install 'daskrec[neural]'" in run.stdout
    assert_same(pd.read_parquet(tmp_path / "recs.parquet"), model.predict(LOG, 5))


def test_weights_are_saved_as_safetensors_and_checked(make, tmp_path) -> None:
    model = make().fit(LOG)
    model.save(tmp_path / "model")
    assert not list((tmp_path / "model" / "state" / "weights").rglob("*.npy"))
    (file,) = (tmp_path / "model" / "state" / "weights").rglob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(FormatError, match="not what was saved"):
        daskrec.load(tmp_path / "model")
    file.write_bytes(b"no weights")
    with pytest.raises(FormatError, match="cannot be read"):
        daskrec.load(tmp_path / "model")


def test_a_gpu_that_is_not_there_is_an_error(make) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="torch sees 0 GPUs"):
        make(device="cuda").fit(LOG)
    for wrong in ("gpu", "cuda:x", "cuda:", "cpu:0", 1):
        with pytest.raises(ValueError, match="device must be"):
            make(device=wrong)


@pytest.mark.parametrize(
    "params",
    [
        {"epochs": 0}, {"batch_size": 0}, {"learning_rate": -1.0}, {"l2_reg": -1.0},
        {"factor": 1.0}, {"patience": -1}, {"validation_share": 1.0}, {"early_stopping": 0},
        {"seed": -1}, {"precision": "half"}, {"data_parallel": 0}, {"checkpoint_steps": 0},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_of_training_that_are_not_allowed(make, params) -> None:
    with pytest.raises(ValueError, match=next(iter(params))):
        make(**params)


def test_a_lost_process_ends_the_others_in_bounded_time_and_says_what_to_do(tmp_path) -> None:
    from distributed import Client, LocalCluster

    model, params = MODELS["NeuroMF"]
    params = {"learning_rate": 0.02, "seed": 3, **params, "checkpoint_path": str(tmp_path / "kept")}
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as connected,
    ):
        pids = list(connected.run(os.getpid).values())
        thread = threading.Thread(target=_kill_when, args=(tmp_path / "kept", pids[0]))
        thread.start()
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="goes on from its checkpoint"):
            model(**params, epochs=3000, data_parallel=2).fit(LOG)
        assert time.monotonic() - began < 120
        thread.join()
    done = json.loads((tmp_path / "kept" / "manifest.json").read_text())["state"]["epoch"]
    found = model(**params, epochs=done + 3).fit(LOG)  # goes on here
    assert_near(found, model(**params | {"checkpoint_path": None}, epochs=done + 3).fit(LOG), 1e-3)


def _kill_when(folder: Path, pid: int) -> None:
    """Kill a process soon after the first checkpoint."""
    deadline = time.monotonic() + 60
    while not (folder / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)


def test_a_killed_worker_costs_what_came_after_the_checkpoint(tmp_path) -> None:
    """A task that is lost with its worker is run again, and finds the checkpoint."""
    from distributed import Client, LocalCluster

    path = tmp_path / "kept"
    model, params = MODELS["MultVAE"]
    params = {"learning_rate": 0.02, "seed": 3, **params, "epochs": 150}
    expected = model(**params).fit(LOG)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as connected,
    ):
        pid = next(iter(connected.run(os.getpid).values()))

        thread = threading.Thread(target=_kill_when, args=(path, pid))
        thread.start()
        found = model(**params, checkpoint_path=str(path)).fit(LOG)
        assert not thread.is_alive(), "the fit was over before the worker was killed"
        thread.join()
    assert_near(found, expected, 1e-3)
