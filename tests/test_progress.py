"""Progress bars: on a terminal or on demand, never in a task."""

import copy
import threading

import dask
import pytest

from daskrec import progress
from daskrec.engine import runtime


def _nothing(number):
    return number


def work(count=3):
    """Run a stage of work."""
    with dask.config.set(scheduler="threads"):
        runtime.compute([runtime.task(_nothing, n) for n in range(count)], "weighing fish")


def test_silent_when_standard_error_is_no_terminal(capsys):
    work()
    with progress.bar("counting", 2) as step:
        step()
    assert capsys.readouterr() == ("", "")
    assert not progress.enabled()


def test_shown_anywhere_when_the_setting_says_so(capsys):
    with dask.config.set({"daskrec.progress": True}):
        assert progress.enabled()
        work()
    out, err = capsys.readouterr()
    assert "weighing fish" in err
    assert "3/3" in err
    assert out == ""


def test_a_bar_may_say_how_it_goes(capsys):
    with dask.config.set({"daskrec.progress": True}), progress.bar("walking", 2) as step:
        step()
        step(0, "running: 3 miles")
        step()
    err = capsys.readouterr().err
    assert "running: 3 miles" in err
    assert "2/2" in err


@pytest.mark.parametrize("setting", [False, "auto", True])
def test_on_a_terminal_the_setting_decides(monkeypatch, setting):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with dask.config.set({"daskrec.progress": setting}):
        assert progress.enabled() is (setting is not False)


def test_silent_in_threads(capsys):
    with dask.config.set({"daskrec.progress": True}):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert capsys.readouterr() == ("", "")


def test_a_bar_within_a_bar_is_not_shown(capsys):
    with dask.config.set({"daskrec.progress": True}), progress.bar("outer", 1) as outer:
        work()
        outer()
    assert "weighing fish" not in capsys.readouterr().err


def test_an_error_ends_the_bar_and_the_next_one_is_shown(capsys):
    with dask.config.set({"daskrec.progress": True}):
        with pytest.raises(KeyError), progress.bar("broken", 1):
            raise KeyError
        capsys.readouterr()
        with progress.bar("mended", 1) as step:
            step()
    assert "mended" in capsys.readouterr().err


def test_the_configuration_of_the_user_stays_as_it_is():
    with dask.config.set({"daskrec.progress": True}):
        before = copy.deepcopy(dask.config.config)
        work()
        assert dask.config.config == before
    assert "daskrec" not in dask.config.config or not dask.config.config["daskrec"]
