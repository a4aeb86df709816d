"""Environments of other libraries, which need other versions than daskrec does."""

import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_LISTED = "requirements.txt"


def make(folder: Path, *installations: Sequence[str]) -> Path:
    """Return the interpreter of an environment, made where it is missing.

    Parameters
    ----------
    folder
        Of the environment; one that this function made before is taken as it is.
    *installations
        Arguments of ``pip install``, one call after another.

    Raises
    ------
    SystemExit
        The folder holds something else, or the packages cannot be installed.
    """
    with _alone(folder):
        return _made(folder, installations)


def _made(folder: Path, installations: Sequence[Sequence[str]]) -> Path:
    python = folder / "bin" / "python"
    installed = folder / _LISTED
    wanted = "\n".join(argument for arguments in installations for argument in arguments)
    if installed.is_file() and installed.read_text() == wanted:
        return python
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise SystemExit(f"{folder} is not empty and no virtual environment: name another one")
    venv.create(folder, clear=True, symlinks=os.name != "nt", with_pip=True)
    for arguments in installations:
        command = [str(python), "-m", "pip", "install", "--quiet", *arguments]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            raise SystemExit(f"pip could not install {', '.join(arguments)} in {folder}")
    installed.write_text(wanted)  # last: an installation cut short is done again
    return python


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other command makes the environment; only POSIX has such locks."""
    if fcntl is None:
        yield
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def folder(given: Path | None) -> Iterator[Path]:
    """Give a named folder, or a temporary one that goes at the end."""
    if given is not None:
        yield given.resolve()  # another process may work in another folder
        return
    with tempfile.TemporaryDirectory(prefix="daskrec-benchmarks-") as temporary:
        yield Path(temporary)
