"""One BLAS thread while tasks run, and the user's number afterwards."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from daskrec.engine.threads import single_threaded_blas

np.ones((2, 2)) @ np.ones((2, 2))


def numbers():
    """Return the number of threads of each BLAS."""
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def before():
    """Return the user's numbers, which the test must leave."""
    found = numbers()
    if set(found) <= {1}:
        pytest.skip("BLAS has a single thread anyway")
    yield found
    assert numbers() == found


def run(work, *numbers_of_threads):
    """Run work in threads of their own."""
    threads = [threading.Thread(target=work, args=(n,)) for n in numbers_of_threads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_one_thread_inside():
    with single_threaded_blas():
        assert set(numbers()) == {1}


def test_the_outermost_context_puts_the_number_back():
    with single_threaded_blas():
        with single_threaded_blas():
            pass
        assert set(numbers()) == {1}


def test_an_error_puts_the_number_back(before):
    with pytest.raises(KeyError), single_threaded_blas():
        raise KeyError
    assert numbers() == before


def test_a_thread_limits_and_puts_back_as_the_main_thread_does(before):
    inside = []

    def work(_):
        with single_threaded_blas():
            inside.append(set(numbers()))

    with single_threaded_blas():
        pass
    run(work, 0)
    run(work, 1)
    assert inside == [{1}, {1}]
    assert numbers() == before


@pytest.mark.parametrize("first_out", [0, 1])
def test_threads_enter_and_leave_in_any_order(before, first_out):
    entered, leave = [[threading.Event() for _ in range(2)] for _ in range(2)]
    left, done = [threading.Event() for _ in range(2)], threading.Event()

    def work(number):
        with single_threaded_blas():
            entered[number].set()
            leave[number].wait(10)
        left[number].set()
        done.wait(10)  # a thread of a pool lives on

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    try:
        for number in range(2):
            threads[number].start()
            assert entered[number].wait(10)
        assert set(numbers()) == {1}
        leave[first_out].set()
        assert left[first_out].wait(10)
        assert set(numbers()) == {1}
        leave[1 - first_out].set()
        assert left[1 - first_out].wait(10)
        assert numbers() == before
    finally:
        for event in [*leave, done]:
            event.set()
        for thread in threads:
            thread.join()


def test_many_threads_leave_the_number_as_it_was(before):
    def work(_):
        for _ in range(20):
            with single_threaded_blas():
                pass

    run(work, *range(6))
    assert numbers() == before


def test_openmp_may_keep_its_threads() -> None:
    with threadpool_limits(2), single_threaded_blas(openmp=False):
        numbers = {(pool["user_api"], pool["num_threads"]) for pool in threadpool_info()}
        assert ("blas", 1) in numbers
        assert ("openmp", 1) not in numbers
