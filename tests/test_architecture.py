"""Who may import whom."""

import ast
import pathlib

import seqmodels

SOURCES = pathlib.Path(seqmodels.__file__).parent
FOUNDATION = {"jit", "simd", "arrays", "threads", "forms", "sequences", "predictive"}
CONTRACT = {"base", "emissions"}
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
