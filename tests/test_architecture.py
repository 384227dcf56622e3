"""Who may import whom, and how long a kernel may be."""

import ast
import pathlib

import seqmodels

SOURCES = pathlib.Path(seqmodels.__file__).parent
FOUNDATION = {"checks", "jit", "simd", "products", "arrays", "threads", "forms", "sequences", "predictive"}
CONTRACT = {"base", "forecasts", "emissions"}
MODELS = {"baselines": "baselines", "kneser_ney": "baselines", "hmm": "hmm", "rnn": "rnn"}  # module -> room


def imported(path):
    """Top-level modules of the package that a file imports, also within functions."""
    package = ("seqmodels", *path.relative_to(SOURCES).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = list(package[: len(package) + 1 - node.level]) if node.level else []
            origin += node.module.split(".") if node.module else []
            names = [[*origin, alias.name] for alias in node.names]
        yield from {name[1] for name in names if name[0] == "seqmodels" and len(name) > 1}


def allowed(room):
    if room in FOUNDATION:
        return FOUNDATION
    if room in CONTRACT:
        return FOUNDATION | CONTRACT
    return FOUNDATION | CONTRACT | {module for module, other in MODELS.items() if other == MODELS[room]}


def violations():
    for path in sorted(SOURCES.rglob("*.py")):
        module = path.relative_to(SOURCES).parts[0].removesuffix(".py")
        if module in FOUNDATION | CONTRACT | set(MODELS):
            for other in sorted(set(imported(path)) - allowed(module)):
                yield f"{path.relative_to(SOURCES)} imports {other}"


def test_modules_import_only_what_is_below_them():
    assert list(violations()) == []


def test_the_rooms_are_where_they_are_said_to_be():
    present = {path.relative_to(SOURCES).parts[0].removesuffix(".py") for path in SOURCES.rglob("*.py")}
    assert {"jit", "arrays", "sequences", "predictive", *CONTRACT, *MODELS} <= present


def test_imports_are_seen_in_all_their_forms(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "SOURCES", tmp_path)
    (tmp_path / "hmm").mkdir()
    source = "import seqmodels.a\nfrom seqmodels import b\nfrom seqmodels.c import x\nimport numpy\n"
    source += "from .. import d\nfrom ..e.f import g\ndef late():\n    from ..h import i\nfrom . import j\n"
    (tmp_path / "hmm" / "model.py").write_text(source)
    assert set(imported(tmp_path / "hmm" / "model.py")) == set("abcdeh") | {"hmm"}
    assert len(list(violations())) == 6


# -------------------------------------------------------------------- kernels can be read

LONGEST = 60  # lines of a function
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
LOW_LEVEL = {"numba.core.cgutils", "numba.extending.intrinsic", "numba.extending.lower_builtin"}


def lengths(source):
    """Name and number of lines of each function, without functions defined in it and the list of its parameters."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTIONS):
            lines = set(range(node.lineno, node.end_lineno + 1))
            for inner in ast.walk(node):
                if inner is not node and isinstance(inner, FUNCTIONS):
                    first = min([inner.lineno, *[decorator.lineno for decorator in inner.decorator_list]])
                    lines -= set(range(first, inner.end_lineno + 1))
            _, heading, parameters = (ast.get_docstring(node, clean=False) or "").partition("Parameters\n")
            yield node.name, len(lines) - (heading + parameters).count("\n")


def uses_llvm(source):
    """Whether a module imports llvmlite or Numba's machinery below the level of Python, or has the text of it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            origin = f"{node.module}." if isinstance(node, ast.ImportFrom) and node.module else ""
            names = [origin + alias.name for alias in node.names]
            if any(name.split(".")[0] == "llvmlite" or name in LOW_LEVEL for name in names):
                return True
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ir":
            return True
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "llvm." in node.value:
            return True
    return False


def test_kernels_are_short():
    paths = [SOURCES / "simd.py", *(SOURCES / "hmm").rglob("*.py"), *(SOURCES / "rnn").rglob("*.py")]
    found = [(n, f"{path.relative_to(SOURCES)}: {name}") for path in paths for name, n in lengths(path.read_text())]
    assert [each for each in found if each[0] > LONGEST] == []
    assert len(found) > 50


def test_only_the_module_of_vectors_speaks_to_the_compiler():
    speakers = [path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.py") if uses_llvm(path.read_text())]
    assert speakers == ["simd.py"]


def test_long_functions_and_compiler_text_are_seen():
    inner = "    @kernel\n    def inner():\n" + "        pass\n" * 59
    source = "@kernel\ndef outer():\n" + inner + "    return inner\nclass A:\n    def method(self):\n"
    source += "        pass\n" * 60
    source += "def documented(x):\n    '''What.\n\n    Parameters\n    ----------\n    x : int\n    '''\n    return x\n"
    assert dict(lengths(source)) == {"outer": 2, "inner": 60, "method": 61, "documented": 5}
    for text in (
        "import llvmlite", "import llvmlite.binding as b", "from llvmlite import ir", "from llvmlite.ir import Type",
        "def late():\n    from numba.core import cgutils", "from numba.extending import intrinsic",
        "ir.Constant(kind, 1)", "name = 'llvm.exp.f64'",
    ):  # fmt: skip
        assert uses_llvm(text), text
    for text in ("import numba", "from numba.extending import register_jitable", "weights.ir = 1", "x = 'LLVM'"):
        assert not uses_llvm(text), text
