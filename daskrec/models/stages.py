"""Where a stage of a model is worked on; it is told where it has no kernels for a GPU."""

import logging
from typing import Any

from daskrec.engine import backend, device, runtime

logger = logging.getLogger("daskrec")


def begin(model: Any, stage: str, library: str | None) -> None:
    """Check the device before the work of a stage begins, and tell if it stays on the host.

    Parameters
    ----------
    model
        The model.
    stage
        ``"fit"`` or ``"predict"``.
    library
        Whose kernels it has for a GPU, ``"cupy"`` or ``"torch"``; None where it has none.

    Raises
    ------
    ValueError
        ``daskrec.device`` names no device.
    RuntimeError
        It names a GPU, and this process, which does the work, finds none of that number.
    ImportError
        It names a GPU, and CuPy is not installed.
    """
    asked = device.asked()
    if not asked.startswith("cuda"):
        return
    if library is None:
        logger.info(
            "%s: daskrec.device is %r, but %s has no kernels for a GPU here and runs on the host",
            *(model, asked, stage),
        )
    elif runtime.in_process() and library == "torch":
        device.chosen_gpu(asked)
    elif runtime.in_process():
        backend.gpu(device.device_number(asked))
