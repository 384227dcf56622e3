"""What users of other libraries ask for, and what fails there: each has a test that bears its number.

What they ask of recurrent networks is numbered anew, in ``tests/rnn``.
"""

import ast
import pathlib
import re

TESTS = pathlib.Path(__file__).parent
WISHES = {*range(1, 20), 21, 22}  # 20 is covariates, which are out of scope
WISHES_FOR_NETWORKS = {*range(1, 12), 14, 15}
FAULTS = set(range(1, 16))


def numbered(kind, of_networks):
    """Numbers in the names of tests, such as ``test_wish_07_states_step_by_step``."""
    names = [
        node.name
        for path in TESTS.rglob("test_*.py")
        if (TESTS / "rnn" in path.parents) == of_networks
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    return {int(number) for name in names for number in re.findall(rf"{kind}_(\d\d)_", name)}


def test_every_wish_has_a_test():
    assert numbered("wish", of_networks=False) >= WISHES


def test_every_wish_for_networks_has_a_test():
    assert numbered("wish", of_networks=True) >= WISHES_FOR_NETWORKS


def test_every_fault_has_a_test():
    assert numbered("fault", of_networks=False) >= FAULTS
