"""PopRec for all users, in a process that has its kernels."""

import pandas as pd

from benchmarks.child import K
from benchmarks.data import Dataset
from benchmarks.measure import call, interleave
from benchmarks.report import Goal, SpeedTable, Table
from daskrec.models import PopRec


def run(dataset: Dataset, rounds: int) -> Table:
    table = SpeedTable("pop: PopRec fit and predict for all users")
    fitted = PopRec().fit(dataset.frame)
    jobs = {
        "fit, then predict": lambda: PopRec().fit(dataset.frame).predict(dataset.frame, K),
        "`fit_predict`": lambda: PopRec().fit_predict(dataset.frame, K),
        "fit": lambda: PopRec().fit(dataset.frame),
        "predict": lambda: fitted.predict(dataset.frame, K),
    }
    seconds, results = interleave([call(job) for job in jobs.values()], rounds)
    users = dataset.frame["user_id"].nunique()
    for what, mine, result in zip(jobs, seconds, results, strict=True):
        whole = not isinstance(result, pd.DataFrame) or len(result) == users * K
        goal = Goal(seconds=0.5) if what == "fit, then predict" else None
        table.compare(what, [mine], goal=goal, equal=whole)
    table.notes.append(f"{users} users, k = {K}, seen items left out; every user has {K} rows.")
    return table
