"""Which stages of a model have kernels for a GPU, and what is told where one has none."""

import logging
from dataclasses import dataclass
from typing import Any

from daskrec.engine import backend, device, runtime

logger = logging.getLogger("daskrec")


@dataclass(frozen=True)
class Stages:
    """Where the stages of a model can be worked on.

    Parameters
    ----------
    fit, predict
        Whether the stage has kernels for a GPU.
    by_torch
        Whether these are of torch; else they are of CuPy.
    """

    fit: bool = False
    predict: bool = False
    by_torch: bool = False

    def begin(self, model: Any, stage: str) -> None:
        """Check the device before the work of a stage begins, and tell if it stays on the host.

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
        if not getattr(self, stage):
            logger.info(
                "%s: daskrec.device is %r, but %s has no kernels for a GPU and runs on the host",
                *(model, asked, stage),
            )
        elif runtime.in_process():
            if self.by_torch:
                device.chosen_gpu(asked)
            else:
                backend.gpu(device.device_number(asked))


HOST = Stages()
EVERYWHERE = Stages(fit=True, predict=True)
