"""Objects in processes of their own."""

import pytest


@pytest.fixture
def counter():
    from apart import Apart

    with Apart("collections", "Counter", "abca") as counter:
        yield counter


def test_methods_are_called_in_another_process(counter):
    assert counter.call("most_common", 1) == [("a", 2)]
    counter.call("update", "bbb")
    assert counter.call("get", "b") == 4


def test_what_it_raises_is_raised_here_and_it_goes_on(counter):
    with pytest.raises(RuntimeError, match="TypeError: 'int' object is not iterable"):
        counter.call("update", 3)
    with pytest.raises(RuntimeError, match="AttributeError"):
        counter.call("nothing")
    assert counter.call("total") == 4


def test_its_work_is_counted(counter):
    before = counter.cpu_seconds()
    counter.call("update", range(10**6))
    assert counter.cpu_seconds() > before


def test_what_it_prints_is_no_answer():
    from apart import Apart

    with Apart("builtins", "eval", "[print('something'), 5]") as both:
        assert both.call("index", 5) == 1


def test_an_object_that_cannot_be_made_says_so():
    from apart import Apart

    with pytest.raises(RuntimeError, match="No module named 'missing'"):
        Apart("missing", "Thing")


def test_a_process_that_ends_says_so():
    from apart import Apart

    with Apart("importlib", "import_module", "os") as module, pytest.raises(RuntimeError, match="ended with status 3"):
        module.call("_exit", 3)
