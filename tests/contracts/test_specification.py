"""Every sentence of the specification has a test, and every test names sentences that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SPECIFICATION = ROOT / "docs" / "contracts-specification.md"


def sentences() -> list[str]:
    """Numbers in the order of the document."""
    return re.findall(r"^- \*\*([A-Z]+-\d+)\*\* \S", SPECIFICATION.read_text(), flags=re.MULTILINE)


def suite() -> list[Path]:
    return [path for path in HERE.glob("*/test_*.py") if ".venv" not in path.parts]


def named_in(tree: ast.AST) -> Iterator[str]:
    """Arguments of all `pytest.mark.spec(...)` decorators."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.spec":
            yield from (ast.literal_eval(argument) for argument in node.args)


def nameless_tests(tree: ast.AST) -> list[str]:
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not any("pytest.mark.spec" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]


def test_sentences__numbers__are_unique():
    numbers = sentences()
    assert len(numbers) > 100
    assert sorted(numbers) == sorted(set(numbers))


def test_sentences__each__has_a_test():
    named = {number for path in suite() for number in named_in(ast.parse(path.read_text()))}
    assert set(sentences()) - named == set()


def test_tests__each_sentence_they_name__exists():
    known = set(sentences())
    unknown = {
        f"{path.name}: {number}"
        for path in suite()
        for number in named_in(ast.parse(path.read_text()))
        if number not in known
    }
    assert unknown == set()


def test_tests__each__names_a_sentence():
    nameless = {f"{path.name}: {name}" for path in suite() for name in nameless_tests(ast.parse(path.read_text()))}
    assert nameless == set()
