"""Where scores are computed."""

import subprocess
import sys

import pytest

from daskrec.engine import device
from daskrec.engine.device import chosen_gpu


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that torch finds two GPUs."""
    monkeypatch.setattr(device, "_usable_gpus", lambda: 2)


@pytest.mark.parametrize(
    ("name", "found"),
    [("cpu", None), ("auto", "cuda"), ("cuda", "cuda"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")],
)
@pytest.mark.usefixtures("gpus")
def test_with_gpus(name, found):
    assert chosen_gpu(name) == found


@pytest.mark.usefixtures("gpus")
def test_a_gpu_that_is_not_there():
    with pytest.raises(RuntimeError, match=r"'cuda:2'.*no such GPU.*device='auto'"):
        chosen_gpu("cuda:2")


def test_without_gpus(monkeypatch):
    monkeypatch.setattr(device, "_usable_gpus", lambda: 0)
    assert chosen_gpu("auto") is None
    with pytest.raises(RuntimeError, match="no such GPU"):
        chosen_gpu("cuda")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "", "CPU"])
@pytest.mark.usefixtures("gpus")
def test_other_names(name):
    with pytest.raises(ValueError, match="device must be"):
        chosen_gpu(name)


def test_the_cpu_needs_no_torch():
    code = (
        "import sys; from daskrec.engine import device; device.chosen_gpu('cpu');"
        "device.has_driver = lambda: False; device.chosen_gpu('auto');"
        "from daskrec.nn.inference import mult_vae, neuro_mf; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "False"
