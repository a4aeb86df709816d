"""What runs in RecBole's own environment: ``python -m benchmarks.recbole_run JOB``.

Trains models of RecBole alone; nothing of daskrec is imported. The job is a JSON file that
``benchmarks.recbole`` wrote, beside the log that it names. Every line of the input asks for some
epochs of a model from the start, and a line of JSON answers with the seconds and the mean loss of
a batch of each: the trainer's own epoch, its loader included, its evaluation not.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

DATA = "log"  # its name for RecBole: DATA/DATA.inter in the job's folder


def main(path: str) -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr  # RecBole prints too
    folder = Path(path).parent
    os.chdir(folder)  # it leaves folders where it runs
    job = json.loads(Path(path).read_text())
    importlib.import_module("torch").set_num_threads(job["threads"])
    benches: dict[str, _Bench] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = asked["model"]
        if key not in benches:
            benches[key] = _Bench(folder, job["models"][key])
        print(json.dumps(benches[key].epochs(asked["epochs"])), file=answers, flush=True)


class _Bench:
    """A model and its loader, which takes the whole log as its training part."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        data = importlib.import_module("recbole.data")
        loaders = importlib.import_module("recbole.data.utils")
        self.config = importlib.import_module("recbole.config").Config(
            model=spec["class"], dataset=DATA, config_dict=_settings(folder) | spec["params"]
        )
        dataset = data.create_dataset(self.config)
        parts = dataset.build()
        samplers = loaders.create_samplers(self.config, dataset, parts)
        self.loader = loaders.get_dataloader(self.config, "train")(
            self.config, parts[0], samplers[0], shuffle=True
        )
        self.users, self.rows = dataset.user_num - 1, len(parts[0])

    def epochs(self, number: int) -> dict[str, Any]:
        """Train from the start."""
        utils = importlib.import_module("recbole.utils")
        utils.init_seed(self.config["seed"], reproducibility=False)
        model = utils.get_model(self.config["model"])(self.config, self.loader._dataset)
        kind = utils.get_trainer(self.config["MODEL_TYPE"], self.config["model"])
        trainer = kind(self.config, model)
        seconds, losses = [], []
        for epoch in range(number):
            begin = perf_counter()
            loss = trainer._train_epoch(self.loader, epoch, show_progress=False)
            seconds.append(perf_counter() - begin)
            losses.append(loss / len(self.loader))
        return {"seconds": seconds, "losses": losses, "users": self.users, "rows": self.rows}


def _settings(folder: Path) -> dict[str, Any]:
    """Return what all models share: the log, the processor, no part held back."""
    return {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "load_col": {"inter": ["user_id", "item_id"]},
        "eval_args": {
            "split": {"RS": [1.0, 0.0, 0.0]},
            "group_by": None,
            "order": "RO",
            "mode": "full",
        },
        "use_gpu": False,
        "show_progress": False,
        "state": "WARNING",
        "reproducibility": False,
    }


if __name__ == "__main__":
    main(sys.argv[1])
