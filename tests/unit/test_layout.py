"""How the tests are laid out: packages, which share by way of `tests/support` and of fixtures only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

TESTS = CHECKOUT / "tests"
MODULES = sorted(path.relative_to(CHECKOUT) for path in TESTS.rglob("*.py"))


def imported(module: Path) -> Iterator[str]:
    """Yield the full name of everything that a module imports, at any level."""
    package = module.parent.parts
    for node in ast.walk(ast.parse((CHECKOUT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_module_imports_a_test_module_or_a_conftest(module: Path) -> None:
    ours = [name.split(".") for name in imported(module) if name.split(".")[0] == "tests"]
    assert [name for name in ours if name[1:2] != ["support"]] == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {folder for module in MODULES for folder in module.parents if folder.parts[:1] == ("tests",)}
    assert {folder for folder in folders if not (CHECKOUT / folder / "__init__.py").exists()} == set()
