"""A deployment around `chalice deploy`, which the end-to-end tests run."""

import io
import json
import re
import shutil
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from infra import deploy, stacks
from infra.deployment import chalice, configuration, functions, staging
from infra.deployment.api import BURST, LOG_FORMAT, RATE, ApiSettings
from infra.packages.bytecode import RUNNING
from infra.steps.errors import StepError
from tests.support.cloudformation import Cloud
from tests.support.stage import OUTPUTS, POLICIES, config

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:sluice-dev"
FUNCTIONS = {
    "api_handler": ARN,
    **{name: f"{ARN}-{name}" for name in ("on_upload", "on_schedule", "migrate")},
}
GROUPS = {f"/aws/lambda/sluice-dev{suffix}" for suffix in ("", "-on_upload", "-on_schedule", "-migrate")}
DEAD_LETTERS = OUTPUTS["EventsDeadLetterQueueArn"]

# A fake `chalice` command: it records its call, writes a record of a deployment and ends with a given status.
FAKE = """#!{python}
import json, os, pathlib, sys
told = json.loads(pathlib.Path({told!r}).read_text())
command, stage = sys.argv[1], sys.argv[sys.argv.index("--stage") + 1]
state = pathlib.Path(".chalice/deployed") / (stage + ".json")
found = json.loads(state.read_text()) if state.exists() else None
bytecode = os.environ.get("PYTHONDONTWRITEBYTECODE")
call = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "found": found, "bytecode": bytecode}}
pathlib.Path({calls!r}).open("a").write(json.dumps(call) + "\\n")
if told["state"] is not None:
    state.write_text(json.dumps(told["state"]))
sys.exit(told["status"])
"""


def state_of(functions: dict[str, str]) -> dict[str, Any]:
    """Return Chalice's record of a deployment, as far as the tools read it."""
    resources = [
        {"name": name, "resource_type": "lambda_function", "lambda_arn": arn}
        for name, arn in functions.items()
    ]
    gateway = {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "x"}
    return {"resources": [gateway, *resources], "schema_version": "2.0", "backend": "api"}


class Chalice:
    """The fake command, its instructions and its calls."""

    def __init__(self, folder: Path) -> None:
        self.command = folder / "chalice"
        self._told, self._calls = folder / "told.json", folder / "calls"
        code = FAKE.format(python=sys.executable, told=str(self._told), calls=str(self._calls))
        self.command.write_text(code)
        self.command.chmod(self.command.stat().st_mode | stat.S_IXUSR)
        self.will(state=state_of(FUNCTIONS))

    def will(self, *, state: dict[str, Any] | None, status: int = 0) -> None:
        self._told.write_text(json.dumps({"state": state, "status": status}))

    @property
    def calls(self) -> list[dict[str, Any]]:
        if not self._calls.exists():
            return []
        return [json.loads(line) for line in self._calls.read_text().splitlines()]


class Gateway:
    """API Gateway, as far as a deployment configures it."""

    def __init__(self) -> None:
        self.stages: dict[tuple[str, str], dict[str, str]] = {}
        self.refuses = False

    def update_stage(self, *, restApiId: str, stageName: str, patchOperations: list[dict[str, str]]) -> None:  # noqa: N803
        if self.refuses:
            said = "CloudWatch Logs role ARN must be set in account settings to enable logging"
            raise ClientError({"Error": {"Code": "BadRequestException", "Message": said}}, "UpdateStage")
        assert {it["op"] for it in patchOperations} == {"replace"}
        found = self.stages.setdefault((restApiId, stageName), {})
        found.update({it["path"]: it["value"] for it in patchOperations})


class Firewall:
    """AWS WAF, as far as a deployment configures it."""

    def __init__(self) -> None:
        self.meta = boto3.client("sts").meta
        self.guarded: dict[str, str] = {}

    def associate_web_acl(self, *, WebACLArn: str, ResourceArn: str) -> None:  # noqa: N803
        self.guarded[ResourceArn] = WebACLArn


class World:
    """A checkout, its staged copy, and AWS."""

    def __init__(self, root: Path) -> None:
        self.checkout, self.folder = root / "checkout", root / "staged"
        self.record = self.checkout / ".chalice" / "deployed" / "dev.json"
        self.own = self.folder / ".chalice" / "deployed" / "dev.json"
        for name in ("app.py", "requirements.txt", "chalicelib/service/sweep.py", "chalicelib/x.sql"):
            self.write(name, name)
        for name in ("tests/test_x.py", "README.md", "chalicelib/__pycache__/x.pyc", "chalicelib/y.pyc"):
            self.write(name, name)
        for path in POLICIES.glob("*.json"):
            self.write(f".chalice/policies/{path.name}", path.read_text())
        self.config = configuration.configure_stage(config(), "dev", OUTPUTS, settings={})
        self.config["stages"]["dev"]["log_retention_in_days"] = 14
        self.rights = configuration.fill_policies("dev", OUTPUTS)
        configuration.write_stage(self.checkout, "dev", self.config, self.rights)
        tools = root / "tools"
        tools.mkdir()
        self.chalice = Chalice(tools)
        self.built: list[tuple[Path, str]] = []
        self.clients: dict[str, Any] = {}
        self.functions = Stubber(boto3.client("lambda"))
        self.functions.activate()
        self.logs: CloudWatchLogsClient = boto3.client("logs")
        self.gateway, self.firewall = Gateway(), Firewall()

    def write(self, name: str, text: str) -> None:
        path = self.checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def expect_finish(self) -> None:
        self.functions.add_response(
            "put_function_event_invoke_config",
            {},
            {
                "FunctionName": FUNCTIONS["on_upload"],
                "MaximumRetryAttempts": 2,
                "MaximumEventAgeInSeconds": 6 * 3600,
                "DestinationConfig": {"OnFailure": {"Destination": DEAD_LETTERS}},
            },
        )

    def expect_migrate(self, answer: dict[str, Any], error: str | None = None) -> None:
        body = json.dumps(answer).encode()
        said: dict[str, Any] = {"Payload": StreamingBody(io.BytesIO(body), len(body)), "StatusCode": 200}
        if error:
            said["FunctionError"] = error
        self.functions.add_response("invoke", said, {"FunctionName": FUNCTIONS["migrate"], "Payload": b"{}"})

    def deploy(self, api: ApiSettings = ApiSettings(), **outputs: str) -> None:  # noqa: B008 - frozen
        places = {"folder": self.folder, "record": self.record}
        deploy.deploy("dev", self.config, outputs={**OUTPUTS, **outputs}, api=api, **places)
        self.functions.assert_no_pending_responses()

    def delete(self) -> None:
        deploy.delete("dev", folder=self.folder, record=self.record)

    def retentions(self) -> dict[str, int | None]:
        groups = self.logs.describe_log_groups()["logGroups"]
        return {it["logGroupName"]: it.get("retentionInDays") for it in groups}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        made = World(tmp_path)
        made.clients = {"lambda": made.functions.client, "logs": made.logs}
        made.clients |= {"apigateway": made.gateway, "wafv2": made.firewall}
        monkeypatch.setattr(boto3, "client", lambda service, **_: made.clients[service])
        for module in (configuration, deploy, staging):
            monkeypatch.setattr(module, "CHECKOUT", made.checkout)
        monkeypatch.setattr(deploy, "SHARED", tmp_path / "shared")
        monkeypatch.setattr(chalice, "CHALICE", made.chalice.command)

        def build(folder: Path, *, python: str, architecture: str) -> None:
            assert python == RUNNING
            made.built.append((folder, architecture))

        monkeypatch.setattr(staging, "build_vendor", build)
        yield made


# The staged copy


def files(folder: Path) -> set[str]:
    return {str(it.relative_to(folder)) for it in folder.rglob("*") if it.is_file()}


def test_the_staged_copy_contains_the_deployed_files_only(world: World) -> None:
    staging.stage_application(world.folder, "dev", world.config)
    assert files(world.folder) == {
        "app.py",
        "requirements.txt",
        "chalicelib/service/sweep.py",
        "chalicelib/x.sql",
        ".chalice/config.json",
        *(f".chalice/policies/{it.name}" for it in POLICIES.glob("*.json")),
        *(f".chalice/policies/dev/{name}.json" for name in world.rights),
    }
    staged = world.folder / ".chalice" / "policies" / "dev" / "on_job.json"
    assert json.loads(staged.read_text()) == world.rights["on_job"]
    assert world.built == [(world.folder, "x86_64")]


def test_requirements_are_built_for_the_stages_architecture(world: World) -> None:
    world.config["stages"]["dev"]["lambda_architecture"] = "arm64"
    staging.stage_application(world.folder, "dev", world.config)
    assert world.built == [(world.folder, "arm64")]


def test_the_staged_configuration_has_no_retention(world: World) -> None:
    """Chalice would set it for a log group that is not the API's."""
    before = json.loads(json.dumps(world.config))
    staging.stage_application(world.folder, "dev", world.config)
    staged = json.loads((world.folder / ".chalice" / "config.json").read_text())
    assert world.config == before
    del before["stages"]["dev"]["log_retention_in_days"]
    assert staged == before


def test_staging_again_keeps_chalices_files_only(world: World) -> None:
    for name in ("old.py", "vendor/old/x.py", ".chalice/old.json", ".chalice/policies/test/on_job.json"):
        path = world.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    record = world.folder / ".chalice/deployed/dev.json"
    package = world.folder / ".chalice/deployments/x.zip"
    for path in (record, package):
        path.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("kept")
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("app.py", "")
    staging.stage_application(world.folder, "dev", world.config)
    assert not [path for path in world.folder.rglob("*") if path.is_file() and path.read_bytes() == b"old"]
    assert record.read_text() == "kept"
    assert package.exists()


def test_policies_that_the_checkout_lacks_can_be_passed(world: World) -> None:
    shutil.rmtree(world.checkout / ".chalice" / "policies" / "dev")
    with pytest.raises(StepError, match="stage dev is not configured: run infra"):
        staging.stage_application(world.folder, "dev", world.config)
    assert world.built == []
    staging.stage_application(world.folder, "dev", world.config, world.rights)
    staged = world.folder / ".chalice" / "policies" / "dev"
    assert {it.stem: json.loads(it.read_text()) for it in staged.iterdir()} == world.rights


@pytest.mark.parametrize("name", ["app.py", "requirements.txt"])
def test_a_missing_source_file_fails_the_deployment(world: World, name: str) -> None:
    (world.checkout / name).unlink()
    with pytest.raises(StepError, match=f"{name} is missing: there is nothing to deploy"):
        staging.stage_application(world.folder, "dev", world.config)


# Settings that Chalice does not make


def finish(world: World, arns: dict[str, str], days: int | None) -> None:
    client: Any = world.functions.client
    functions.finish_functions(arns, client, world.logs, dead_letters=DEAD_LETTERS, retention_days=days)
    world.functions.assert_no_pending_responses()


def test_failed_events_get_a_destination_and_logs_a_retention(world: World) -> None:
    world.logs.create_log_group(logGroupName="/aws/lambda/sluice-dev-on_upload")  # it has run already
    world.logs.create_log_group(logGroupName="/aws/lambda/sluice-dev2")
    world.expect_finish()
    finish(world, FUNCTIONS, 14)
    assert world.retentions() == {**dict.fromkeys(GROUPS, 14), "/aws/lambda/sluice-dev2": None}
    world.expect_finish()
    finish(world, FUNCTIONS, 90)  # any number of times
    assert {world.retentions()[name] for name in GROUPS} == {90}


def test_without_a_retention_logs_stay_unchanged(world: World) -> None:
    world.expect_finish()
    finish(world, FUNCTIONS, None)
    assert world.retentions() == {}


def test_without_an_intake_no_destination_is_set(world: World) -> None:
    finish(world, {"api_handler": ARN}, 14)
    assert world.retentions() == {"/aws/lambda/sluice-dev": 14}


def test_only_logs_of_the_given_functions_are_removed(world: World) -> None:
    others = {"/aws/lambda/sluice-dev2", "/aws/lambda/sluice-dev-on_upload2"}
    for name in (GROUPS - {"/aws/lambda/sluice-dev-migrate"}) | others:  # one never ran
        world.logs.create_log_group(logGroupName=name)
    functions.remove_logs(FUNCTIONS, world.logs)
    assert set(world.retentions()) == others


# Chalice's record: copied from the checkout to the staged copy and back


def test_a_first_deployment_leaves_its_record_in_the_checkout(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.expect_finish()
    world.expect_migrate({"applied": ["0001_jobs.sql"]})
    world.deploy()
    [call] = world.chalice.calls
    assert call["arguments"] == ["deploy", "--stage", "dev"]
    assert (call["folder"], call["found"]) == (str(world.folder), None)
    assert call["bytecode"] == "1"
    assert json.loads(world.record.read_text()) == state_of(FUNCTIONS)
    assert set(world.retentions()) == GROUPS
    assert "0001_jobs.sql" in capsys.readouterr().out


def test_a_deployment_starts_from_the_checkouts_record_not_the_copys(world: World) -> None:
    before = state_of({"api_handler": ARN})
    world.write(".chalice/deployed/dev.json", json.dumps(before))
    world.own.parent.mkdir(parents=True)
    world.own.write_text(json.dumps(state_of({})))
    world.expect_finish()
    world.expect_migrate({"applied": []})
    world.deploy()
    assert world.chalice.calls[0]["found"] == before
    assert json.loads(world.record.read_text()) == state_of(FUNCTIONS)


def test_a_record_that_only_the_copy_has_is_ignored(world: World) -> None:
    """Removing the record from the checkout, or another checkout, starts a new deployment."""
    world.own.parent.mkdir(parents=True)
    world.own.write_text(json.dumps(state_of(FUNCTIONS)))
    world.expect_finish()
    world.expect_migrate({"applied": []})
    world.deploy()
    assert world.chalice.calls[0]["found"] is None


def test_a_failed_deployment_keeps_the_record_of_what_it_created(world: World) -> None:
    made = state_of({"migrate": FUNCTIONS["migrate"]})
    world.write(".chalice/deployed/dev.json", json.dumps(state_of({})))
    world.chalice.will(state=made, status=3)
    with pytest.raises(StepError, match="chalice deploy ended with status 3"):
        world.deploy()
    assert json.loads(world.record.read_text()) == made
    assert world.retentions() == {}  # it was not finished


def test_a_deployment_that_fails_before_creating_anything_leaves_no_record(world: World) -> None:
    world.chalice.will(state=None, status=1)
    with pytest.raises(StepError):
        world.deploy()
    assert not world.record.exists()


# The API's stage


def test_the_api_is_throttled_and_logs_no_requests_unless_told(world: World) -> None:
    world.expect_finish()
    world.expect_migrate({"applied": []})
    world.deploy()
    assert world.gateway.stages == {
        ("x", "dev"): {
            "/*/*/throttling/rateLimit": str(RATE),
            "/*/*/throttling/burstLimit": str(BURST),
        }
    }
    assert world.firewall.guarded == {}


def test_the_api_may_log_its_requests_and_be_guarded(world: World) -> None:
    world.expect_finish()
    world.expect_migrate({"applied": []})
    world.deploy(ApiSettings(rate=5, burst=7, access_log=True, web_acl="arn:aws:wafv2:x"))
    assert world.gateway.stages[("x", "dev")] == {
        "/*/*/throttling/rateLimit": "5",
        "/*/*/throttling/burstLimit": "7",
        "/accessLogSettings/destinationArn": (
            "arn:aws:logs:eu-west-1:123456789012:log-group:/sluice/dev/api-access"
        ),
        "/accessLogSettings/format": LOG_FORMAT,
    }
    assert world.retentions()["/sluice/dev/api-access"] == 14
    stage = "arn:aws:apigateway:eu-west-1::/restapis/x/stages/dev"
    assert world.firewall.guarded == {stage: "arn:aws:wafv2:x"}
    world.delete()
    assert world.retentions() == {}


def test_the_access_log_has_no_credentials() -> None:
    """Credentials are in headers; cursors and file names are in query strings and bodies."""
    noted = set(re.findall(r"\$context\.[\w.]+", LOG_FORMAT))
    assert noted == {
        *("$context.requestId", "$context.requestTimeEpoch", "$context.identity.sourceIp"),
        *("$context.httpMethod", "$context.path", "$context.resourcePath", "$context.status"),
        *("$context.responseLength", "$context.responseLatency", "$context.error.responseType"),
    }
    assert "\n" not in LOG_FORMAT
    assert LOG_FORMAT.count("$") == len(noted)


def test_an_account_without_a_role_for_logs_is_told(world: World) -> None:
    world.gateway.refuses = True
    world.expect_finish()
    with pytest.raises(StepError, match="CloudWatch Logs role ARN must be set in account settings"):
        world.deploy(ApiSettings(access_log=True))


def test_logs_are_encrypted_with_the_key_of_the_stacks(world: World) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    world.expect_finish()
    world.expect_migrate({"applied": []})
    world.deploy(ApiSettings(access_log=True), KmsKeyArn=key)
    groups = world.logs.describe_log_groups()["logGroups"]
    assert {it["logGroupName"]: it.get("kmsKeyId") for it in groups} == dict.fromkeys(
        {*GROUPS, "/sluice/dev/api-access"}, key
    )


def test_certificates_of_the_stage_are_part_of_its_package(world: World) -> None:
    world.write(".chalice/certificates/dev.pem", "of dev")
    world.write(".chalice/certificates/prod.pem", "of prod")
    staging.stage_application(world.folder, "dev", world.config)
    assert (world.folder / configuration.DATABASE_CA).read_text() == "of dev"


def test_failed_migrations_fail_the_deployment(world: World) -> None:
    world.expect_finish()
    failed = {"errorType": "RetryLater", "errorMessage": "the database is not available"}
    world.expect_migrate(failed, error="Unhandled")
    with pytest.raises(StepError, match="RetryLater: the database is not available"):
        world.deploy()
    assert json.loads(world.record.read_text()) == state_of(FUNCTIONS)


def test_the_migration_client_waits_long_and_never_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    chosen: Any = functions.patient_client().meta.config
    longest = json.loads((POLICIES.parent / "config.json").read_text())["lambda_functions"]["migrate"]
    assert chosen.read_timeout >= longest["lambda_timeout"]
    assert chosen.retries["total_max_attempts"] == 1


def test_delete_removes_the_functions_their_logs_and_the_record(world: World) -> None:
    world.write(".chalice/deployed/dev.json", json.dumps(state_of(FUNCTIONS)))
    for name in GROUPS:
        world.logs.create_log_group(logGroupName=name)
    world.delete()
    [call] = world.chalice.calls
    assert call["arguments"] == ["delete", "--stage", "dev"]
    assert call["found"] == state_of(FUNCTIONS)
    assert world.retentions() == {}
    assert not world.record.exists()


def test_a_failed_delete_can_be_repeated(world: World) -> None:
    world.write(".chalice/deployed/dev.json", json.dumps(state_of(FUNCTIONS)))
    world.logs.create_log_group(logGroupName="/aws/lambda/sluice-dev")
    world.chalice.will(state=None, status=1)
    with pytest.raises(StepError, match="chalice delete ended with status 1"):
        world.delete()
    assert json.loads(world.record.read_text()) == state_of(FUNCTIONS)
    assert world.retentions() == {"/aws/lambda/sluice-dev": None}  # it may tell why
    world.chalice.will(state=state_of({}))
    world.delete()
    assert not world.record.exists()


def test_delete_without_a_record_fails(world: World) -> None:
    with pytest.raises(StepError, match="nothing is deployed as dev: there is no "):
        world.delete()
    assert world.chalice.calls == []


# The command


def test_the_command_deletes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(["--stage", "dev", "--delete"]) == 1
    assert "nothing is deployed as dev" in capsys.readouterr().err
    world.write(".chalice/deployed/dev.json", json.dumps(state_of(FUNCTIONS)))
    assert deploy.main(["--stage", "dev", "--delete"]) == 0
    assert not world.record.exists()


def asked(world: World, monkeypatch: pytest.MonkeyPatch, exports: dict[str, str], stage: str = "dev") -> None:
    """Add CloudFormation to the clients, and skip the check of Lambda's Python version."""
    cloud = Cloud()
    cloud.exports = {stacks.stack_name(stage, name): value for name, value in exports.items()}
    world.clients["cloudformation"] = cloud
    monkeypatch.setattr(deploy, "check_runtime", lambda _: None)


def test_the_command_deploys_the_checkouts_configuration(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked(world, monkeypatch, OUTPUTS)
    world.expect_finish()
    world.expect_migrate({"applied": []})
    assert deploy.main(["--stage", "dev"]) == 0
    world.functions.assert_no_pending_responses()
    assert [it["folder"] for it in world.chalice.calls] == [str(tmp_path / "shared" / "deploy" / "dev")]
    assert json.loads(world.record.read_text()) == state_of(FUNCTIONS)
    assert set(world.retentions().values()) == {14}


@pytest.mark.parametrize(("stage", "exports"), [("dev", {}), ("test", OUTPUTS)])
def test_the_command_reports_an_unprepared_stage(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    exports: dict[str, str],
) -> None:
    asked(world, monkeypatch, exports, stage)
    assert deploy.main(["--stage", stage]) == 1
    assert stage in capsys.readouterr().err
    assert world.built == []
    assert world.chalice.calls == []


def test_the_command_reports_why_chalice_failed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked(world, monkeypatch, OUTPUTS)
    world.chalice.will(state=None, status=2)
    assert deploy.main(["--stage", "dev"]) == 1
    assert "chalice deploy ended with status 2" in capsys.readouterr().err
