"""The documentation says what the code does: settings, targets; and its links lead somewhere."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import settings
from tests.support.docpages import CODE, PAGES, ROOT, blocks, page, quoted, section, table


class Environment(dict[str, str]):
    """An empty environment that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, str | None] = {}

    def get(self, name: str, default: Any = None, /) -> Any:
        self.asked[name] = default
        return default


def read_by_the_code() -> dict[str, str | None]:
    environment = Environment()
    settings.load(environment)
    return environment.asked


def settings_table() -> list[list[str]]:
    head = ("variable", "default", "allowed", "read by", "meaning")
    groups = page("settings.md").split("\n## ")[1:-1]  # the last one has the settings of others
    return [row for group in groups for row in table(group, *head)]


def test_every_setting_is_documented_with_its_default_and_no_other_is() -> None:
    documented = {
        quoted(name): None if default == "none" else quoted(default) for name, default, *_ in settings_table()
    }

    assert documented == {name: default or None for name, default in read_by_the_code().items()}


@pytest.mark.parametrize("row", settings_table(), ids=lambda row: row[0])
def test_a_setting_accepts_the_documented_values_and_no_others(row: list[str]) -> None:
    name, allowed = quoted(row[0]), row[2]
    fine: list[object]
    wrong: list[object]
    if " to " in allowed:
        low, high = (int(quoted(bound)) for bound in allowed.split(" to "))
        fine, wrong = [low, high], [low - 1, high + 1, "many"]
    elif allowed:
        fine, wrong = [quoted(value) for value in allowed.split(", ")], ["many"]
    else:
        fine, wrong = ["anything" * 4], []  # as long as a secret must be
    for value in fine:
        settings.load({name: str(value)})
    for value in wrong:
        with pytest.raises(settings.SettingError, match=name):
            settings.load({name: str(value)})


def test_no_page_speaks_of_settings_that_are_not_there() -> None:
    others = {
        "SLUICE_URL",
        "SLUICE_API_KEY",
        "SLUICE_TENANT",
        "SLUICE_TEST_ROOT",
        "SLUICE_FAULTS_SEED",
        "SLUICE_EXAMPLES",
    }  # the client's, the tests'
    known = read_by_the_code().keys() | others
    spoken_of = {name for path in PAGES for name in re.findall(r"\bSLUICE_[A-Z_]+", path.read_text("utf-8"))}

    assert spoken_of <= known


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> Iterator[str]:
    for title in re.findall(r"^#+ (.*)$", CODE.sub("", path.read_text("utf-8")), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", path.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_json_and_python_on_a_page_can_be_read(path: Path) -> None:
    markdown = path.read_text("utf-8")
    for block in blocks(markdown, "json"):
        json.loads(block)
    for block in blocks(markdown, "python"):
        ast.parse(block)


KINDS = {".py", ".sql", ".yaml", ".md", ".sh", ".in"}  # of files whose comments may name a page
MADE_BY_DEPLOYING = (".chalice/deployed/", ".chalice/policies/prod/", ".chalice/certificates/")


def test_every_file_named_on_a_page_exists() -> None:
    kept = {path.name for path in ROOT.iterdir() if not path.name.startswith((".local", ".venv"))}
    for path in PAGES:
        for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", path.read_text("utf-8")):
            known = name.partition("/")[0] not in kept or name.startswith(MADE_BY_DEPLOYING)
            assert known or (ROOT / name).exists(), f"{name_of(path)}: {name}"


def test_every_page_named_outside_the_documentation_exists() -> None:
    folders = ("chalicelib", "sluice_cli", "infra", "bench", "tests")
    files = [
        ROOT / name for name in ("app.py", "Dockerfile", "Makefile", "docker-compose.yml", "pyproject.toml")
    ]
    files += [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in KINDS]
    for path in files:
        for named in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text("utf-8")):
            assert (ROOT / named).is_file(), f"{name_of(path)}: {named}"


def test_every_make_target_is_documented_and_no_other_is() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    documented = [quoted(row[0]) for row in table(section("development.md", "Targets"), "target", "")]

    assert documented == [f"make {target}" for target in targets]


def test_classes_that_the_architecture_names_exist() -> None:
    named = set(
        re.findall(
            r"`([A-Z][a-z]+(?:[A-Z][a-z]+)*)`",
            (ROOT / "docs/contributing/architecture.md").read_text("utf-8"),
        )
    )
    defined = {
        node.name
        for file in (ROOT / "chalicelib").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert named - defined == set()


def test_modules_that_the_architecture_names_exist() -> None:
    text = (ROOT / "docs/contributing/architecture.md").read_text("utf-8")
    for name in re.findall(r"`((?:[a-z0-9_]+/)+[a-z0-9_]*(?:\.py)?)`", text):
        assert (ROOT / name).exists() or (ROOT / "chalicelib" / name).exists(), name
