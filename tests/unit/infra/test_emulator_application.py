import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from infra.deployment import configuration, functions, staging
from infra.deployment.configuration import FUNCTIONS, GATEWAY, configure_stage, fill_policies
from infra.emulator import application
from infra.steps.commands import Command
from infra.steps.errors import StepError
from infra.steps.layout import Layout

CONFIG = {
    "app_name": "sluice",
    "stages": {"local": {"api_gateway_stage": "api", "environment_variables": {"KEPT": "1"}}},
}
POLICY = {"Statement": [{"Sid": "Logs", "Resource": "${Stage}"}, {"Sid": "Cache", "Resource": "${None}"}]}
FILLED = {"Statement": [{"Sid": "Logs", "Resource": "local"}]}
ENDPOINT = "http://127.0.0.1:4566"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    for name in ("chalicelib/__pycache__", "chalicelib/sql", "tests", ".chalice/deployed"):
        (folder / name).mkdir(parents=True)
    for name in ("app.py", "chalicelib/one.py", "chalicelib/sql/two.sql", "requirements.txt", "tests/t.py"):
        (folder / name).write_text(name)
    (folder / "chalicelib/__pycache__/one.pyc").write_text("bytecode")
    (folder / ".chalice/config.json").write_text(json.dumps(CONFIG))
    (folder / ".chalice/policies").mkdir()
    for name in (*FUNCTIONS, GATEWAY):
        (folder / f".chalice/policies/{name}.json").write_text(json.dumps(POLICY))
    for module in (configuration, staging):
        monkeypatch.setattr(module, "CHECKOUT", folder)
    monkeypatch.setattr(staging, "build_vendor", lambda *_, **__: None)  # see test_packages
    monkeypatch.setattr(functions, "finish_functions", lambda *_, **__: None)  # no LocalStack runs
    return folder


def stage(folder: Path, variables: Mapping[str, str]) -> None:
    config = configure_stage(configuration.read_config(), "local", {}, settings=variables)
    staging.stage_application(folder, "local", config, fill_policies("local", {}))


def staged(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


WHOLE = {
    "app.py",
    "requirements.txt",
    "chalicelib/one.py",
    "chalicelib/sql/two.sql",
    ".chalice/config.json",
    *(f".chalice/policies/{place}{name}.json" for place in ("", "local/") for name in (*FUNCTIONS, GATEWAY)),
}


@pytest.mark.usefixtures("checkout")
def test_the_staged_copy_has_the_stages_settings_and_policies(tmp_path: Path) -> None:
    stage(tmp_path / "app", {"DATABASE_URL": "postgresql://x"})

    assert staged(tmp_path / "app") == WHOLE
    config = json.loads((tmp_path / "app/.chalice/config.json").read_text())
    variables = config["stages"]["local"]["environment_variables"]
    own = {"POWERTOOLS_METRICS_NAMESPACE": "Sluice/local"}
    assert variables == {"KEPT": "1", "DATABASE_URL": "postgresql://x", **own}
    assert json.loads((tmp_path / "app/.chalice/policies/local/on_job.json").read_text()) == FILLED


def test_staging_again_removes_deleted_files_and_keeps_chalices(tmp_path: Path, checkout: Path) -> None:
    folder = tmp_path / "app"
    stage(folder, {})
    for name in ("deployed", "deployments"):
        (folder / ".chalice" / name).mkdir()
    (folder / ".chalice/deployed/local.json").write_text("{}")
    with zipfile.ZipFile(folder / ".chalice/deployments/package.zip", "w") as package:
        package.writestr("app.py", "")
    (checkout / "chalicelib/one.py").unlink()

    stage(folder, {})

    kept = {".chalice/deployed/local.json", ".chalice/deployments/package.zip"}
    assert staged(folder) == (WHOLE - {"chalicelib/one.py"}) | kept


def test_a_package_that_a_killed_run_left_unfinished_is_not_used_again(
    tmp_path: Path, checkout: Path
) -> None:
    folder = tmp_path / "app"
    stage(folder, {})
    package = folder / ".chalice/deployments/package.zip"
    package.parent.mkdir()
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(checkout / "app.py")
        directory = archive.start_dir  # which closing it writes behind the files
    written = package.read_bytes()
    for size in (0, 1, directory):
        package.write_bytes(written[:size])

        stage(folder, {})

        assert not package.exists()


def test_a_missing_app_fails_staging(tmp_path: Path, checkout: Path) -> None:
    (checkout / "app.py").unlink()

    with pytest.raises(StepError, match=r"app: .*app\.py is missing"):
        stage(tmp_path / "app", {})


def rename(checkout: Path) -> None:
    (checkout / "chalicelib/one.py").rename(checkout / "chalicelib/other.py")


def edit(checkout: Path) -> None:
    (checkout / "chalicelib/sql/two.sql").write_text("changed")


def require(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("more")


@pytest.mark.parametrize("change", [rename, edit, require])
def test_the_version_changes_with_the_deployed_files_only(
    tmp_path: Path, checkout: Path, change: Callable[[Path], None]
) -> None:
    def version(**variables: str) -> str:
        stage(tmp_path / "app", variables)
        return application.version_of(tmp_path / "app")

    before = version()
    assert version() == before
    assert version(A="1") != before
    (checkout / "tests/t.py").write_text("changed")
    assert version() == before
    change(checkout)
    assert version() != before


class Chalice:
    """A replacement of the command that counts its runs and writes what Chalice writes."""

    def __init__(self) -> None:
        self.runs = 0
        self.knew_of_a_deployment: list[bool] = []

    def __call__(self, _part: str, _what: str, command: Command, _log: Path) -> None:
        assert command.argv[-3:] == ("deploy", "--stage", "local")
        deployed = command.cwd / ".chalice/deployed/local.json"
        self.runs += 1
        self.knew_of_a_deployment.append(deployed.exists())
        deployed.parent.mkdir(exist_ok=True)
        resources = [
            {"resource_type": "lambda_function", "name": "f", "lambda_arn": "arn:f"},
            {"resource_type": "rest_api", "rest_api_id": f"api{self.runs}"},
        ]
        deployed.write_text(json.dumps({"resources": resources}))
        packages = command.cwd / ".chalice/deployments"
        packages.mkdir(exist_ok=True)
        (packages / f"{self.runs}.zip").touch()


@pytest.fixture
def chalice(monkeypatch: pytest.MonkeyPatch, checkout: Path) -> Chalice:
    assert checkout.exists()
    chalice = Chalice()
    monkeypatch.setattr("infra.steps.commands.run_logged", chalice)
    return chalice


def test_it_deploys_once_for_each_change_and_each_localstack(tmp_path: Path, chalice: Chalice) -> None:
    layout = Layout.at(tmp_path / "root")

    def released(localstack: str, **variables: str) -> tuple[str, bool]:
        return application.deploy(layout, ENDPOINT, localstack, variables)

    assert released("first") == (f"{ENDPOINT}/_aws/execute-api/api1/api", True)
    assert released("first") == (f"{ENDPOINT}/_aws/execute-api/api1/api", False)
    assert released("first", A="1")[1]
    assert released("second", A="1")[1]
    assert chalice.knew_of_a_deployment == [False, True, False]
    assert application.deployed_url(layout, ENDPOINT, "second") == f"{ENDPOINT}/_aws/execute-api/api3/api"
    assert application.deployed_url(layout, ENDPOINT, "third") is None
    assert len(list(layout.build.glob("app/.chalice/deployments/*.zip"))) == 1


def test_a_failed_deployment_is_retried(
    tmp_path: Path, chalice: Chalice, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout.at(tmp_path / "root")
    application.deploy(layout, ENDPOINT, "one", {})

    def broken(*_: object, **__: object) -> None:
        raise StepError("app", "chalice ended with status 1")

    with monkeypatch.context() as patched:
        patched.setattr("infra.steps.commands.run_logged", broken)
        with pytest.raises(StepError):
            application.deploy(layout, ENDPOINT, "one", {"A": "1"})

    assert application.deployed_url(layout, ENDPOINT, "one") is None
    application.deploy(layout, ENDPOINT, "one", {})
    assert chalice.runs == 2


def test_a_lost_deployment_is_repeated(tmp_path: Path, chalice: Chalice) -> None:
    layout = Layout.at(tmp_path / "root")
    application.deploy(layout, ENDPOINT, "one", {})
    shutil.rmtree(layout.build / "app" / ".chalice" / "deployed")

    assert application.deploy(layout, ENDPOINT, "one", {})[1]
    assert chalice.runs == 2
