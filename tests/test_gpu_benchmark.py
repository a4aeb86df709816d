"""The benchmark of a GPU: its jobs run, on a stand-in, and its floors are those of the formulas."""

import json

import pytest
from support.backends import NumpyBackend, lent

from benchmarks import floors, gpu

SIZE = ["--users", "90", "--items", "80", "--rows", "700", "--rounds", "1"]


def test_all_jobs_run_on_both_devices(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setattr(floors, "_SIDE", 64)
    monkeypatch.setattr(floors, "_COPIED", 2**10)
    monkeypatch.setattr(gpu, "RANKS", (4, 8))
    monkeypatch.setattr(gpu, "LIST_RANK", 4)
    kept = tmp_path / "records"
    with lent(NumpyBackend(), monkeypatch):
        monkeypatch.setattr(gpu, "gpu", lambda number: NumpyBackend())
        groups = ["encode", "als", "knn", "ease", "slim", "lists"]
        assert gpu.main([*SIZE, "--json", str(kept), "--only", *groups]) == 0
    records = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(records) == 7
    assert all(record["gpu"] > 0 and record["floor"] > 0 for record in records)
    assert [record["job"] for record in records if record["cpu"] is None] == ["SLIM, fit"]
    assert "numpy: " in capsys.readouterr().out


def test_without_a_gpu_it_says_so_before_the_log_is_made(monkeypatch) -> None:
    def none(number: int) -> None:
        raise RuntimeError(f"no GPU {number} here")

    monkeypatch.setattr(gpu, "gpu", none)
    monkeypatch.setattr(gpu, "_Bench", None)
    with pytest.raises(SystemExit, match=r"no GPU 3 here .--device cpu times the CPU alone."):
        gpu.main(["--device", "cuda:3"])


def test_neural_jobs_run_on_a_cpu(capsys) -> None:
    pytest.importorskip("torch")
    assert gpu.main([*SIZE, "--device", "cpu", "--only", "mult_vae", "neuro_mf"]) == 0
    assert "MultVAE, an epoch" in capsys.readouterr().out


def test_the_floor_of_als_is_that_of_the_design() -> None:
    """MovieLens-20M, ratings of 4 and more: 455 GFLOP and 3.1 ms of reading at rank 128."""
    size = floors.Size(users=136_677, items=20_108, entries=9_990_682, pairs=0.0)
    need = floors.als_round(size, 128)
    assert need.operations == pytest.approx(455e9, rel=0.05)
    h100 = floors.Ceiling(flops=67e12, bandwidth=3.35e12)
    assert h100.seconds(need) == pytest.approx(6.8e-3, rel=0.05)
    assert h100.seconds(floors.Need(0.0, need.nbytes)) == pytest.approx(3.1e-3, rel=0.1)
