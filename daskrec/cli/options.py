"""Options and arguments that commands share."""

from pathlib import Path
from typing import Annotated

import typer

# Short names of the models that need a log alone.
MODELS = {
    "als": "ALSWrap",
    "knn": "KNN",
    "slim": "SLIM",
    "ease": "EASE",
    "admmslim": "ADMMSLIM",
    "lightfm": "LightFMWrap",
    "neuromf": "NeuroMF",
    "multvae": "MultVAE",
    "rules": "AssociationRulesItemRec",
    "pop": "PopRec",
    "userpop": "UserPopRec",
    "wilson": "Wilson",
    "ucb": "UCB",
    "klucb": "KLUCB",
    "thompson": "ThompsonSampling",
    "random": "RandomRec",
    "word2vec": "Word2VecRec",
}

Log = Annotated[
    str,
    typer.Argument(
        help="Interactions: a path, glob or URL of Parquet or CSV files with a column of users "
        "(user_idx, user_id, ...), one of items (item_idx, item_id, ...) and, if there is one, "
        "relevance or rating."
    ),
]
ModelName = Annotated[str, typer.Option("--model", "-m", help=f"One of {', '.join(MODELS)}.")]
K = Annotated[int, typer.Option("--k", "-k", help="Items for each user.", min=0)]
Out = Annotated[Path, typer.Option("--out", "-o", help="Write the result there, as Parquet.")]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", help="A parameter of the model, such as rank=64; may be repeated."
    ),
]
Ids = Annotated[
    str | None,
    typer.Option(help="Ids, separated by commas, or a file: .txt (one a line), .csv or .parquet."),
]
Save = Annotated[Path | None, typer.Option(help="Save the fitted model to this folder.")]
Load = Annotated[
    Path | None, typer.Option(help="Use the model saved in this folder instead of fitting one.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786; threads without it."),
]
Column = Annotated[str | None, typer.Option(help="Name of this column, where it is another one.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell what is done.")]
