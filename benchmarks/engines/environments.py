"""What each engine installs, and its interpreter."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import environment

VARIABLE = "DASKREC_ENGINES"  # a folder where environments are kept
_READS = ("pandas", "pyarrow")


@dataclass(frozen=True)
class Environment:
    """An environment of an engine.

    Parameters
    ----------
    requirements
        Arguments of ``pip install``; none for the interpreter that runs the benchmarks.
    java
        Whether it needs Java.
    variables
        Of the environment of its processes.
    """

    requirements: tuple[str, ...] = ()
    java: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


_SPARK = ("pyspark>=3.5,<3.6", "pandas<3", "setuptools")
ENVIRONMENTS: Mapping[str, Environment] = {
    "daskrec": Environment(),
    "daskrec_spark": Environment(java=True),
    # The release candidate is the one that holds the experimental models.
    "replay": Environment(
        ("replay-rec==0.22.0rc0", "torch", "implicit", "lightfm-next", "optuna", *_SPARK), java=True
    ),
    "mllib": Environment((*_SPARK, "numpy", "pyarrow"), java=True),
    "implicit": Environment(("implicit", *_READS)),
    "lightfm": Environment(("lightfm-next", *_READS)),
    # It wants numpy 1, which later versions of pyarrow do not.
    "rectools": Environment(("rectools[lightfm]", "lightfm-next", "pandas", "pyarrow<22")),
    "lenskit": Environment(("lenskit", *_READS)),
    "cornac": Environment(("cornac", *_READS)),
    "gensim": Environment(("gensim", *_READS)),
    "sklearn": Environment(("scikit-learn", *_READS)),
    "sparse_dot_topn": Environment(("sparse_dot_topn", *_READS)),
    "mlxtend": Environment(("mlxtend", *_READS)),
}


def interpreter(engine: str, folder: Path) -> Path:
    """Return the interpreter of an engine, its environment made where it is missing.

    Parameters
    ----------
    engine
        Of ``ENVIRONMENTS``.
    folder
        Where environments lie, one folder an engine.

    Raises
    ------
    SystemExit
        There is no Java where it is needed, or packages cannot be installed.
    """
    wanted = ENVIRONMENTS[engine]
    if wanted.java and not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise SystemExit(f"{engine} needs Java 17: put java on the PATH or set JAVA_HOME")
    if not wanted.requirements:
        return Path(sys.executable)
    return environment.make(folder / engine, wanted.requirements)
