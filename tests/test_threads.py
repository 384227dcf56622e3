"""Tasks in threads: the results do not tell how many there were."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from seqmodels import threads
from seqmodels.threads import in_threads, one_blas_thread

PATIENCE = 30.0  # seconds until a test gives up on a thread


class Meeting:
    """A task that waits until `n` threads are in it at once, and remembers who came."""

    def __init__(self, n):
        self.barrier = threading.Barrier(n, timeout=PATIENCE)
        self.threads = set()

    def __call__(self, task):
        self.threads.add(threading.current_thread())
        self.barrier.wait()
        return task


def assert_threads_at_work(expected, n_tasks, n_jobs):
    meeting = Meeting(expected)
    assert n_tasks % expected == 0  # else the last ones wait in vain
    in_threads(meeting, list(range(n_tasks)), n_jobs)
    assert len(meeting.threads) == expected


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3, 50, -1])
@pytest.mark.parametrize("n_tasks", [0, 1, 2, 3, 100])
def test_results_keep_the_order_of_the_tasks(n_jobs, n_tasks):
    done = []

    def task(number):
        time.sleep(0.001 * (number % 3))  # the later ones often end first
        done.append(number)
        return number * number

    assert in_threads(task, list(range(n_tasks)), n_jobs) == [n * n for n in range(n_tasks)]
    assert sorted(done) == list(range(n_tasks))  # each once


@pytest.mark.parametrize("n_jobs", [None, 1])
def test_one_job_is_done_by_the_caller_and_in_order(n_jobs):
    done = []

    def task(number):
        done.append((number, threading.current_thread()))

    in_threads(task, [3, 1, 2], n_jobs)
    assert done == [(number, threading.current_thread()) for number in (3, 1, 2)]


def test_two_jobs_are_two_threads_one_of_which_is_the_caller():
    meeting = Meeting(2)
    assert in_threads(meeting, ["a", "b", "c", "d"], 2) == ["a", "b", "c", "d"]
    assert len(meeting.threads) == 2
    assert threading.current_thread() in meeting.threads


def test_there_are_as_many_threads_as_jobs_or_tasks():
    n_processors = joblib.effective_n_jobs(-1)
    for n_jobs in (1, 2, 3, 4):
        assert_threads_at_work(n_jobs, 12, n_jobs)
    assert_threads_at_work(2, 2, 4)
    assert_threads_at_work(1, 1, 4)
    assert_threads_at_work(n_processors, 3 * n_processors, -1)


def test_two_tasks_start_no_more_than_one_thread():
    before = set(threading.enumerate())
    assert in_threads(Meeting(2), ["a", "b"], 11) == ["a", "b"]
    assert len(set(threading.enumerate()) - before) <= 1


def test_a_single_task_starts_no_thread():
    before, here = set(threading.enumerate()), threading.current_thread()
    assert in_threads(lambda task: threading.current_thread(), ["a"], 7) == [here]
    assert in_threads(lambda task: threading.current_thread(), [], 7) == []
    assert set(threading.enumerate()) == before


def test_the_number_of_jobs_comes_from_joblib_unless_it_is_given():
    with joblib.parallel_config(n_jobs=3):
        assert_threads_at_work(3, 12, None)
        assert_threads_at_work(1, 12, 1)
        assert_threads_at_work(2, 12, 2)
    with joblib.parallel_config("threading", n_jobs=2):
        assert_threads_at_work(2, 12, None)
    assert_threads_at_work(1, 12, None)


def test_zero_jobs_are_refused():
    with pytest.raises(ValueError, match="n_jobs == 0"):
        in_threads(str, [1, 2], 0)


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
@pytest.mark.parametrize("bad", [0, 1, 5, 19])
def test_an_exception_comes_to_the_caller_and_the_next_call_works(n_jobs, bad):
    working = set()

    def task(number):
        working.add(number)
        time.sleep(0.001)
        if number == bad:
            raise ZeroDivisionError(f"task {number}")
        working.discard(number)
        return number

    with pytest.raises(ZeroDivisionError, match=f"task {bad}"):
        in_threads(task, list(range(20)), n_jobs)
    assert working == {bad}  # nothing goes on behind the caller's back
    time.sleep(0.01)
    assert working == {bad}
    assert in_threads(str, [1, 2, 3], n_jobs) == ["1", "2", "3"]


@pytest.mark.parametrize("n_jobs", [1, 2, 4])
def test_after_an_exception_no_other_tasks_are_begun(n_jobs):
    begun = []

    def task(number):
        begun.append(number)
        if number == 0:
            raise ZeroDivisionError
        time.sleep(0.001)

    with pytest.raises(ZeroDivisionError):
        in_threads(task, list(range(2000)), n_jobs)
    assert len(begun) < 1000


def test_an_exception_of_another_thread_is_raised_as_one_of_the_caller_is():
    caller, together = threading.current_thread(), threading.Barrier(2, timeout=PATIENCE)

    def fails_unless(excepted):
        def task(number):
            if number < 2:
                together.wait()  # both threads have one
            if (threading.current_thread() is caller) is excepted:
                raise KeyError("one of them")

        return task

    for excepted in (True, False):
        with pytest.raises(KeyError, match="one of them"):
            in_threads(fails_unless(excepted), [0, 1, 2, 3], 2)


def test_two_callers_do_not_wait_for_each_other():
    both = threading.Barrier(2, timeout=PATIENCE)

    def task(number):
        if number == 0:
            both.wait()  # the other caller has begun
        return number

    results = [None, None]

    def call(which):
        results[which] = in_threads(task, list(range(8)), 2)

    callers = [threading.Thread(target=call, args=(which,), daemon=True) for which in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(PATIENCE)
    assert results == [list(range(8))] * 2


# -------------------------------------------------------------------- on which processors


def has_processors_to_choose_from():
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@pytest.fixture
def crowded():
    """As after a thread was woken on the processor of another."""
    threads._helpers(1).crowded = 100
    in_threads(Meeting(2), [0, 1], 2)  # from the next call on


@pytest.mark.skipif(not has_processors_to_choose_from(), reason="threads have no processors to choose from here")
@pytest.mark.usefixtures("crowded")
def test_threads_wait_apart_and_work_anywhere(monkeypatch):
    allowed, masks, set_mask = os.sched_getaffinity(0), [], os.sched_setaffinity

    def set_and_note(pid, mask):
        masks.append((threading.current_thread(), set(mask)))
        set_mask(pid, mask)

    monkeypatch.setattr(os, "sched_setaffinity", set_and_note)
    meeting = Meeting(2)

    def task(number):
        meeting(number)
        return os.sched_getaffinity(0)

    assert in_threads(task, [0, 1], 2) == [allowed, allowed]
    assert os.sched_getaffinity(0) == allowed
    caller = [mask for thread, mask in masks if thread is threading.current_thread()]
    assert len(caller[0]) == 1 and caller[1] == allowed
    in_threads(Meeting(2), [0, 1], 2)  # by now, the other thread has waited as well
    others = [mask for thread, mask in masks if thread is not threading.current_thread()]
    assert allowed - caller[0] in others and allowed in others


@pytest.mark.usefixtures("crowded")
def test_where_threads_cannot_choose_they_work_all_the_same(monkeypatch):
    def refuse(pid, mask):
        raise OSError("not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    assert in_threads(Meeting(2), list(range(8)), 2) == list(range(8))
    monkeypatch.setattr(threads, "_processor", lambda: None)
    assert in_threads(Meeting(2), list(range(8)), 2) == list(range(8))


def test_sums_are_the_same_to_the_last_bit(rng):
    parts = list(rng.normal(size=(60, 1000)))
    expected = np.add.reduce([part.sum() for part in parts])
    for n_jobs in (1, 2, 5, -1):
        assert np.add.reduce(in_threads(np.sum, parts, n_jobs)) == expected


# -------------------------------------------------------------------- processes

FORKS = """
    import os, sys, threading, warnings
    from seqmodels.threads import in_threads

    warnings.simplefilter("ignore", DeprecationWarning)  # a process with threads forks

    def both(task):
        barrier.wait()
        return task, threading.current_thread().name

    def check():
        global barrier
        barrier = threading.Barrier(2, timeout=20)
        results = in_threads(both, [0, 1, 2, 3], 2)
        assert [task for task, _ in results] == [0, 1, 2, 3]
        assert len({name for _, name in results}) == 2
    """
BY_OS = """
    check()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            check()
            grandchild = os.fork()
            if grandchild == 0:
                check()
                os._exit(0)
            code = os.waitpid(grandchild, 0)[1]
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    check()
    """
BY_MULTIPROCESSING = """
    import multiprocessing

    check()
    process = multiprocessing.get_context("fork").Process(target=check)
    process.start()
    process.join()
    assert process.exitcode == 0
    check()
    """
AT_ONCE = """
    import time

    children = []

    def task(number):  # the child is born while both threads are at work
        if number == 0:
            children.append(os.fork())
            if children[-1] == 0:
                code = 1
                try:
                    check()
                    code = 0
                finally:
                    os._exit(code)
        time.sleep(0.01)

    in_threads(task, [1, 0, 2, 3], 2)
    assert os.waitpid(children[0], 0)[1] == 0
    check()
    """


def run(script):
    """Run a script in a new process, which is ended where it hangs."""
    command = [sys.executable, "-c", textwrap.dedent(FORKS) + textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork on this system")
@pytest.mark.parametrize("script", [BY_OS, BY_MULTIPROCESSING, AT_ONCE], ids=["fork", "multiprocessing", "at work"])
def test_threads_work_in_a_process_that_forked(script):
    run(script)


def test_a_process_ends_with_its_last_line():
    run("check()")


def test_workers_of_joblib_use_threads_of_their_own():
    run(
        """
        import joblib

        def work(n):
            check()
            return n

        if __name__ == "__main__":
            check()
            assert joblib.Parallel(2, "threading")(joblib.delayed(len)(x) for x in ("a", "bc")) == [1, 2]
            assert joblib.Parallel(2, "multiprocessing")(joblib.delayed(work)(n) for n in (1, 2)) == [1, 2]
        """
    )


# -------------------------------------------------------------------- BLAS


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_has_one_thread_within_the_context_only():
    np.ones((2, 2)) @ np.ones((2, 2))
    before = blas_threads()
    with one_blas_thread():
        assert blas_threads() <= {1}
    assert blas_threads() == before
