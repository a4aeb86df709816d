"""The benchmarks of daskrec: ``python -m benchmarks`` (see ``README.md`` beside this file).

Numbers of threads are set here, before anything is imported that reads them. OpenMP threads
wait passively: else those of one contender spin on into the round of the next.
"""

import os

THREADS = 2
COLUMNS = ["user_id", "item_id", "rating"]

for _name in ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = str(THREADS)
os.environ["OMP_WAIT_POLICY"] = "passive"
os.environ["DASK_NUM_WORKERS"] = str(THREADS)
