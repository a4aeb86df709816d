"""Every model on a GPU: the answers of the CPU, and where work stays on the host, it is told."""

import logging
from typing import Any

import dask
import pytest
from support.backends import NumpyBackend, lent
from support.cases import Case
from support.logs import assert_same, random_log

from daskrec.models import stages

LOG = random_log(users=60, items=30, rows=900)
NEAR = 1e-4  # of scores, to the largest of them


@pytest.fixture(params=["stand-in", pytest.param("cupy", marks=pytest.mark.gpu(library="cupy"))])
def on_gpu(request, monkeypatch):
    """Ask for a GPU: a real one, or numpy in the place of CuPy (and torch on the CPU)."""
    if request.param == "cupy":
        with dask.config.set({"daskrec.device": "cuda"}):
            yield
        return
    monkeypatch.setattr("daskrec.engine.device._usable_gpus", lambda: 0)
    with lent(NumpyBackend(), monkeypatch):
        yield


def test_the_answers_of_the_cpu(case: Case, on_gpu, request) -> None:
    if case.model._gpu_library == "torch" and "stand-in" in request.node.name:
        pytest.skip("torch has kernels of its own: tests/nn compares them")
    found = case.make().fit(LOG).predict(LOG, 5)
    with dask.config.set({"daskrec.device": "cpu"}):
        expected = case.make().fit(LOG).predict(LOG, 5)
    assert_same(found, expected, max(NEAR, case.tolerance or 0))


def test_what_stays_on_the_host_is_told(case: Case, on_gpu, caplog, monkeypatch) -> None:
    if case.model._gpu_library == "torch":
        pytest.skip("all stages have kernels for a GPU")
    begun, begin = {}, stages.begin

    def noted(model: Any, stage: str, library: str | None) -> None:
        begun[stage] = library
        begin(model, stage, library)

    monkeypatch.setattr(stages, "begin", noted)
    with caplog.at_level(logging.INFO, "daskrec"):
        case.make().fit(LOG).predict(LOG, 2)
    told = [record.getMessage() for record in caplog.records if "host" in record.getMessage()]
    assert begun.keys() == {"fit", "predict"}
    assert begun["fit"] == case.model._gpu_library
    for stage, library in begun.items():
        assert any(f"{stage} has no kernels" in line for line in told) == (library is None)


def test_a_gpu_that_is_not_here_is_an_error_before_work_begins(case: Case, monkeypatch) -> None:
    def none(number: int) -> None:
        raise RuntimeError(f"CuPy finds 0 and not {number}")

    monkeypatch.setattr("daskrec.engine.backend.gpu", none)
    monkeypatch.setattr("daskrec.engine.device._usable_gpus", lambda: 0)
    model = case.make()
    with dask.config.set({"daskrec.device": "cuda:7"}):
        if case.model._gpu_library:
            with pytest.raises(RuntimeError, match=r"CuPy finds 0 and not 7|torch sees 0"):
                model.fit(LOG)
        else:
            model.fit(LOG)
