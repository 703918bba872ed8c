"""A stage's configuration and rights from the stacks' outputs. No function has more rights than it needs."""

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from chalicelib import settings
from chalicelib.backends.postgres import roles
from chalicelib.entrypoints.roles import sources_in
from chalicelib.service import object_keys as keys
from infra import configure, stacks
from infra.configure import parse_networks
from infra.deployment import configuration
from infra.deployment.configuration import (
    FUNCTIONS,
    ROLES,
    ConfigurationError,
    configure_stage,
    fill_policies,
)
from tests.support.certificates import make_authority
from tests.support.cloudformation import Cloud
from tests.support.stage import OUTPUTS, POLICIES, ROOT, config

PLACEHOLDER = re.compile(r"\$\{(\w+)\}")

VPC = {"PrivateSubnetIds": "subnet-1,subnet-2", "FunctionSecurityGroupId": "sg-1", "VpcId": "vpc-1"}
REDIS = {
    "RedisUrl": "rediss://r:6379",
    "RedisSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:sluice-dev-redis-AbCdEf",
}
KEY = {"KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/1234"}
LAYER = "arn:aws:lambda:eu-west-1:123456789012:layer:sluice:7"


def stage_of(
    outputs: dict[str, str], *, layer: str | None = None, stage: str = "dev", **chosen: str
) -> dict[str, Any]:
    made = configure_stage(config(), stage, outputs, settings=chosen, layer=layer)
    section: dict[str, Any] = made["stages"][stage]
    return section


# What outputs become


def test_outputs_become_settings() -> None:
    assert stage_of(OUTPUTS | REDIS, stage="prod")["environment_variables"] == {
        "DATABASE_URL": OUTPUTS["DatabaseUrl"],
        "SLUICE_TOKEN_SECRETS_ID": OUTPUTS["UploadTokenSecretArn"],
        "SLUICE_BUCKET": OUTPUTS["BucketName"],
        "SLUICE_QUEUE_URL": OUTPUTS["JobsQueueUrl"],
        "SLUICE_DEAD_LETTER_QUEUE_URL": OUTPUTS["DeadLetterQueueUrl"],
        "REDIS_URL": "rediss://r:6379",
        "REDIS_SECRET": REDIS["RedisSecretArn"],
        "POWERTOOLS_METRICS_NAMESPACE": "Sluice/prod",
    }


def test_configured_settings_are_settings_that_sluice_reads() -> None:
    section = stage_of(OUTPUTS | REDIS)
    own = section["lambda_functions"]["migrate"]["environment_variables"]
    found = settings.load(section["environment_variables"] | own)
    assert (found.bucket, found.queue_url) == (OUTPUTS["BucketName"], OUTPUTS["JobsQueueUrl"])
    assert (found.database_url, found.database_secret) == (
        OUTPUTS["DatabaseUrl"],
        OUTPUTS["DatabaseSecretArn"],
    )
    assert len(sources_in(found.database_role_secrets)) == 4
    assert found.redis_secret == REDIS["RedisSecretArn"]
    assert found.dead_letter_queue_url == OUTPUTS["DeadLetterQueueUrl"]


def test_existing_settings_stay_unless_overridden() -> None:
    variables = stage_of(OUTPUTS, SLUICE_LOADERS="3", DATABASE_URL="postgresql://other")[
        "environment_variables"
    ]
    assert variables["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
    assert variables["SLUICE_BUCKET"] == OUTPUTS["BucketName"]
    assert variables["SLUICE_LOADERS"] == "3"
    assert variables["DATABASE_URL"] == "postgresql://other"


def test_every_function_has_rights_of_its_own() -> None:
    functions = stage_of(OUTPUTS)["lambda_functions"]
    assert {name: it["iam_policy_file"] for name, it in functions.items()} == {
        name: f"policies/dev/{name}.json"
        for name in ("api_handler", "on_upload", "on_schedule", "on_job", "migrate")
    }
    assert functions["on_upload"]["reserved_concurrency"] == 20


def test_the_list_of_functions_is_complete() -> None:
    checked_in = json.loads((ROOT / ".chalice" / "config.json").read_text())
    assert set(checked_in["lambda_functions"]) == set(configuration.FUNCTIONS)
    tree = ast.parse((ROOT / "app.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(configuration.FUNCTIONS) - {"api_handler"} <= defined


def test_functions_join_the_network_if_the_stage_has_one() -> None:
    section = stage_of(OUTPUTS | VPC)
    assert section["subnet_ids"] == ["subnet-1", "subnet-2"]
    assert section["security_group_ids"] == ["sg-1"]
    assert not {"subnet_ids", "security_group_ids"} & stage_of(OUTPUTS).keys()


def test_only_the_worker_gets_the_layer() -> None:
    functions = stage_of(OUTPUTS, layer=LAYER)["lambda_functions"]
    assert functions["on_job"]["layers"] == [LAYER]
    assert [name for name, it in functions.items() if "layers" in it] == ["on_job"]
    assert "layers" not in stage_of(OUTPUTS)["lambda_functions"]["on_job"]


def test_the_api_has_a_policy_only_with_allowed_addresses() -> None:
    section = stage_of(OUTPUTS | {"AllowedAddresses": "203.0.113.0/24"})
    assert section["api_gateway_policy_file"] == "policies/dev/gateway.json"
    assert "api_gateway_policy_file" not in stage_of(OUTPUTS)


def test_other_stages_and_the_given_document_stay_unchanged() -> None:
    given = config()
    made = configure_stage(given, "dev", OUTPUTS | VPC, settings={"A": "b"}, layer=LAYER)
    assert given == config()
    assert made["stages"]["prod"] == config()["stages"]["prod"]
    assert {name: made[name] for name in made if name != "stages"} == {
        name: given[name] for name in given if name != "stages"
    }


def test_configuring_is_idempotent() -> None:
    once = configure_stage(config(), "dev", OUTPUTS | VPC, settings={"A": "b"}, layer=LAYER)
    assert configure_stage(once, "dev", OUTPUTS | VPC, settings={"A": "b"}, layer=LAYER) == once


def test_a_function_may_have_settings_of_its_own() -> None:
    own = {"api_handler": {"DATABASE_URL": "its own"}}
    made = configure_stage(config(), "dev", OUTPUTS, settings={"DATABASE_URL": "of all"}, of_functions=own)
    section = made["stages"]["dev"]
    assert section["environment_variables"]["DATABASE_URL"] == "of all"
    found = {name: it.get("environment_variables", {}) for name, it in section["lambda_functions"].items()}
    assert found["api_handler"]["DATABASE_URL"] == "its own"
    assert not any("DATABASE_URL" in it for name, it in found.items() if name != "api_handler")


def test_each_function_gets_the_secret_of_its_role() -> None:
    section = stage_of(OUTPUTS)
    assert "DATABASE_SECRET" not in section["environment_variables"]
    found = {name: it["environment_variables"] for name, it in section["lambda_functions"].items()}
    logins = found["migrate"].pop("DATABASE_ROLE_SECRETS")
    assert found == {
        "api_handler": {"DATABASE_SECRET": OUTPUTS["ApiDatabaseSecretArn"]},
        "on_upload": {"DATABASE_SECRET": OUTPUTS["SweepDatabaseSecretArn"]},
        "on_schedule": {"DATABASE_SECRET": OUTPUTS["SweepDatabaseSecretArn"]},
        "on_job": {"DATABASE_SECRET": OUTPUTS["WorkerDatabaseSecretArn"]},
        "migrate": {"DATABASE_SECRET": OUTPUTS["DatabaseSecretArn"]},
    }
    assert sources_in(logins) == {
        role: OUTPUTS[f"{role.title()}DatabaseSecretArn"] for role in ("api", "worker", "sweep", "analyst")
    }
    assert set(configuration.ROLE_SECRETS) == set(roles.GROUPS)


def test_the_secret_that_an_earlier_version_gave_to_all_is_taken_away() -> None:
    before = config()
    before["stages"]["dev"]["environment_variables"]["DATABASE_SECRET"] = OUTPUTS["DatabaseSecretArn"]
    made = configure_stage(before, "dev", OUTPUTS, settings={})["stages"]["dev"]
    assert "DATABASE_SECRET" not in made["environment_variables"]


def test_every_function_but_the_migrations_has_a_role() -> None:
    assert set(ROLES) == set(FUNCTIONS) - {"migrate"}
    assert set(ROLES.values()) <= set(roles.GROUPS)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"no stage 'test' in .chalice/config.json, but dev, prod"):
        configure_stage(config(), "test", OUTPUTS, settings={})


# Rights, filled in


def everything() -> dict[str, str]:
    return OUTPUTS | VPC | REDIS | KEY | {"AllowedAddresses": "203.0.113.0/24,198.51.100.7/32"}


def by_sid(document: dict[str, Any]) -> dict[str, Any]:
    return {it["Sid"]: it for it in document["Statement"]}


def test_every_placeholder_is_filled() -> None:
    made = fill_policies("dev", everything())
    assert set(made) == {*configuration.FUNCTIONS, configuration.GATEWAY}
    for name, document in made.items():
        assert "${" not in json.dumps(document)
        before = json.loads((POLICIES / f"{name}.json").read_text())
        assert by_sid(document).keys() == by_sid(before).keys()
    files = [f"arn:aws:s3:::sluice-dev-uploads/{prefix}/*" for prefix in ("uploads", "drop")]
    assert by_sid(made["on_job"])["Files"]["Resource"] == files
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/sluice-dev-on_job"
    assert by_sid(made["on_job"])["Logs"]["Resource"] == [group, f"{group}:*"]
    secrets = [OUTPUTS["DatabaseSecretArn"], *(OUTPUTS[it] for it in configuration.ROLE_SECRETS.values())]
    assert by_sid(made["migrate"])["DatabasePassword"]["Resource"] == secrets


def test_every_placeholder_is_an_output_of_the_stacks() -> None:
    templates = [it.read_text() for it in (ROOT / "infra" / "cloudformation").glob("*.yaml")]
    exported = {name for it in templates for name in re.findall(r"Export: .*sluice-\$\{Stage\}-(\w+)", it)}
    wanted = {name for it in POLICIES.glob("*.json") for name in PLACEHOLDER.findall(it.read_text())}
    assert wanted - exported == {"Stage", "AllowedAddresses", "LogGroups"}
    assert set(configuration.OUTPUTS.values()) <= exported
    assert {configuration.OWNER_SECRET, *configuration.ROLE_SECRETS.values()} <= exported
    assert set(VPC) | set(OUTPUTS) | set(REDIS) | set(KEY) <= exported


@pytest.mark.parametrize("missing", sorted({**OUTPUTS, **REDIS, **KEY}))
def test_statements_about_missing_resources_are_left_out(missing: str) -> None:
    outputs = {name: value for name, value in everything().items() if name != missing}
    made = fill_policies("dev", outputs)
    for name, document in made.items():
        before = json.loads((POLICIES / f"{name}.json").read_text())
        gone = {missing, "LogGroups"} if missing == "JobsQueueArn" else {missing}  # which names the account
        kept = [
            it["Sid"] for it in before["Statement"] if gone.isdisjoint(PLACEHOLDER.findall(json.dumps(it)))
        ]
        assert [it["Sid"] for it in document["Statement"]] == kept


def test_only_functions_in_a_network_may_manage_interfaces() -> None:
    made = fill_policies("dev", OUTPUTS)
    assert all("Network" not in by_sid(it) for it in made.values())
    assert not any("ec2:" in json.dumps(it) for it in made.values())
    made = fill_policies("dev", OUTPUTS | VPC)
    assert all("Network" in by_sid(it) for it in made.values())


def test_the_api_policy_lists_every_allowed_network() -> None:
    [statement] = fill_policies("dev", everything())["gateway"]["Statement"]
    assert statement["Condition"] == {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.7/32"]}}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")


def test_without_allowed_networks_there_is_no_api_policy() -> None:
    assert "gateway" not in fill_policies("dev", OUTPUTS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        (" 203.0.113.0/24 , 2001:db8::/32", "203.0.113.0/24,2001:db8::/32"),
        ("0.0.0.0/1", "0.0.0.0/1"),
    ],
)
def test_networks_are_written_as_aws_writes_them(text: str, found: str) -> None:
    assert parse_networks(text) == found


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "203.0.113.7,0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "::/1,203.0.113.7,8000::/1"],
)
def test_the_whole_internet_must_be_meant(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--allow: this is the whole internet"):
        parse_networks(text)
    assert parse_networks(text, everybody=True) == text.replace("203.0.113.7", "203.0.113.7/32")


@pytest.mark.parametrize(
    "text", ["", " ", "nobody", "203.0.113.0/33", "203.0.113.7/24", "203.0.113.0/24,", "1.2.3", "*", "'\"}"]
)
def test_an_invalid_network_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--allow: "):
        parse_networks(text)


# Rights, as few as they can be

LOGS = {
    "logs:CreateLogGroup": "there is none after a bare `chalice deploy`",
    "logs:CreateLogStream": "each instance has one",
    "logs:PutLogEvents": "its lines",
}
COMMON = {
    "*": {
        "xray:PutTraceSegments": "its trace",
        "xray:PutTelemetryRecords": "what the daemon beside it says of itself",
        "ec2:CreateNetworkInterface": "Lambda makes one for the function",
        "ec2:DescribeNetworkInterfaces": "and looks at it",
        "ec2:DescribeSubnets": "and for room",
        "ec2:DeleteNetworkInterface": "and removes it",
        "ec2:AssignPrivateIpAddresses": "and moves addresses",
        "ec2:UnassignPrivateIpAddresses": "and moves addresses",
    },
    "${KmsKeyArn}": {
        "kms:Decrypt": "S3, SQS and Secrets Manager decrypt in the function's name",
        "kms:GenerateDataKey": "and encrypt",
    },
}
READ = {"secretsmanager:GetSecretValue": "a password"}
UPLOADS, DROP, REJECTS = (f"${{BucketArn}}/{prefix}*" for prefix in (keys.UPLOADS, keys.DROP, keys.REJECTS))
LOOK = {"s3:ListBucket": "without it, what is not there looks like what may not be seen"}
SEND = {"sqs:SendMessage": "announces jobs"}
REMOVE = {
    "s3:DeleteObject": "files that came after their jobs expired; old rejects files",
    "s3:DeleteObjectVersion": "all versions of a removed tenant's files",
    "s3:AbortMultipartUpload": "an upload in parts that expired, or of a removed tenant",
}
HEAD = {"s3:GetObject": "looks for files whose event was lost, or that were dropped"}
FILES = {"s3:GetObject": "reads files", "s3:GetObjectVersion": "in buckets that keep versions"}
# What each function may do to what, and why.
RIGHTS: dict[str, dict[str, dict[str, str]]] = {
    "api_handler": {
        UPLOADS: {
            "s3:PutObject": "signs uploads, which are made by its leave; begins and completes those in parts",
            "s3:GetObject": "looks for the file of a job that is tried again",
            "s3:ListMultipartUploadParts": "says which parts have arrived",
            "s3:AbortMultipartUpload": "an upload is canceled",
        },
        REJECTS: {"s3:GetObject": "signs downloads of rejects files"},
        "${BucketArn}": LOOK,
        "${JobsQueueArn}": {**SEND, "sqs:GetQueueAttributes": "its health"},
        "${UploadTokenSecretArn}": {"secretsmanager:GetSecretValue": "signs and verifies upload tokens"},
        "${ApiDatabaseSecretArn}": READ,
        "${RedisSecretArn}": READ,
    },
    "on_upload": {
        UPLOADS: HEAD,
        DROP: {**HEAD, "s3:GetObjectVersion": "at the version that the event tells of"},
        "${BucketArn}": LOOK,
        "${JobsQueueArn}": SEND,
        "${EventsDeadLetterQueueArn}": {"sqs:SendMessage": "Lambda keeps failed events there"},
        "${SweepDatabaseSecretArn}": READ,
        "${RedisSecretArn}": READ,
    },
    "on_schedule": {
        UPLOADS: {**HEAD, **REMOVE},
        DROP: {**HEAD, **REMOVE},
        REJECTS: REMOVE,
        "${BucketArn}": {
            "s3:ListBucket": "lists what was dropped",
            "s3:ListBucketVersions": "what a removed tenant has",
            "s3:ListBucketMultipartUploads": "what it began to send",
        },
        "${JobsQueueArn}": SEND,
        "${SweepDatabaseSecretArn}": READ,
        "${RedisSecretArn}": READ,
    },
    "on_job": {
        UPLOADS: FILES,
        DROP: FILES,
        REJECTS: {
            "s3:PutObject": "makes rejects files",
            "s3:AbortMultipartUpload": "gives one up",
            "s3:DeleteObject": "removes one that nobody wants any more",
        },
        "${BucketArn}": LOOK,
        "${JobsQueueArn}": {
            "sqs:ReceiveMessage": "Lambda does, in the function's name",
            "sqs:DeleteMessage": "both do",
            "sqs:GetQueueAttributes": "Lambda asks for them",
            "sqs:ChangeMessageVisibility": "keeps a message while its job is worked on",
            "sqs:SendMessage": "hands a job on",
        },
        "${DeadLetterQueueArn}": {"sqs:SendMessage": "what is not a job's id"},
        "${WorkerDatabaseSecretArn}": READ,
    },
    "migrate": {
        "${DatabaseSecretArn}": READ,
        **{f"${{{name}}}": READ for name in configuration.ROLE_SECRETS.values()},  # it sets the passwords
    },
}


def logs_of(name: str) -> dict[str, dict[str, str]]:
    group = "${LogGroups}/aws/lambda/sluice-${Stage}" + ("" if name == "api_handler" else f"-{name}")
    return {group: LOGS, f"{group}:*": LOGS}


def resources(statement: dict[str, Any]) -> list[str]:
    found = statement["Resource"]
    return [found] if isinstance(found, str) else found


def statements(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((POLICIES / f"{name}.json").read_text())["Statement"]
    return found


@pytest.mark.parametrize("name", configuration.FUNCTIONS)
def test_a_function_has_exactly_the_rights_in_the_table(name: str) -> None:
    found: dict[str, set[str]] = {}
    for it in statements(name):
        assert it["Effect"] == "Allow"
        assert it.keys() == {"Sid", "Effect", "Action", "Resource"}
        for resource in resources(it):
            found.setdefault(resource, set()).update(it["Action"])
    rights = {**COMMON, **logs_of(name), **RIGHTS[name]}
    assert found == {resource: set(actions) for resource, actions in rights.items()}


@pytest.mark.parametrize("name", configuration.FUNCTIONS)
def test_no_statement_allows_all_actions_or_resources(name: str) -> None:
    for it in statements(name):
        assert not any("*" in action for action in it["Action"])
        if it["Resource"] == "*":  # neither knows resources of which one could name a part
            assert {action.partition(":")[0] for action in it["Action"]} <= {"xray", "ec2"}
        assert len(set(it["Action"])) == len(it["Action"])


# What each of boto3's methods needs (Service Authorization Reference).
NEEDED = {
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "head_bucket": {"s3:ListBucket"},
    "list_objects_v2": {"s3:ListBucket"},
    "put_object": {"s3:PutObject"},
    "upload_part": {"s3:PutObject"},
    "create_multipart_upload": {"s3:PutObject"},
    "complete_multipart_upload": {"s3:PutObject"},
    "list_object_versions": {"s3:ListBucketVersions"},
    "list_multipart_uploads": {"s3:ListBucketMultipartUploads"},
    "delete_objects": {"s3:DeleteObject", "s3:DeleteObjectVersion"},
    "list_parts": {"s3:ListMultipartUploadParts"},
    "abort_multipart_upload": {"s3:AbortMultipartUpload"},
    "delete_object": {"s3:DeleteObject"},
    "send_message": {"sqs:SendMessage"},
    "send_message_batch": {"sqs:SendMessage"},
    "receive_message": {"sqs:ReceiveMessage"},
    "delete_message": {"sqs:DeleteMessage"},
    "delete_message_batch": {"sqs:DeleteMessage"},
    "change_message_visibility": {"sqs:ChangeMessageVisibility"},
    "get_queue_attributes": {"sqs:GetQueueAttributes"},
    "get_secret": {"secretsmanager:GetSecretValue"},
    # only where SLUICE_DEAD_LETTER_QUEUE_URL is not set; the stacks' outputs set it
    "get_queue_url": set[str](),
}
INDIRECT = {"get_paginator", "generate_presigned_url"}  # these are told a method's name


def calls() -> Iterator[str]:
    """Yield the names of boto3's methods that the backends on AWS call or pass on."""
    backends = ROOT / "chalicelib" / "backends"
    for path in (backends / "sqs.py", backends / "secrets.py", *(backends / "s3").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_client"), attr=name)):
                    yield name
                case ast.Call(func=ast.Attribute(value=ast.Name(id="parameters"), attr=name)):
                    yield name
                case ast.Constant(value=str(name)) if name in NEEDED:
                    yield name


def test_every_call_in_the_code_is_allowed_to_a_function() -> None:
    called = set(calls()) - INDIRECT
    assert called == set(NEEDED)
    allowed = {
        action for name in configuration.FUNCTIONS for it in statements(name) for action in it["Action"]
    }
    assert {action for name in called for action in NEEDED[name]} <= allowed
    assert configuration.OUTPUTS["SLUICE_DEAD_LETTER_QUEUE_URL"] in OUTPUTS


# The command


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chalice = tmp_path / ".chalice"
    (chalice / "policies").mkdir(parents=True)
    for path in POLICIES.glob("*.json"):  # without those that were made for a stage
        shutil.copy(path, chalice / "policies")
    (chalice / "config.json").write_text(json.dumps(config()))
    for module in (configure, configuration):
        monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    return tmp_path


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """The AWS that the command may use: exports, and no secrets."""
    made = Cloud()

    def client(service: str) -> Cloud:
        assert service == "cloudformation"
        return made

    monkeypatch.setattr(boto3, "client", client)
    return made


def export(cloud: Cloud, stage: str, outputs: dict[str, str]) -> None:
    cloud.exports |= {stacks.stack_name(stage, name): value for name, value in outputs.items()}


def written(checkout: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(checkout / ".chalice")): json.loads(path.read_text())
        for path in (checkout / ".chalice").rglob("*.json")
    }


def test_a_stage_is_written_where_chalice_reads_it(
    checkout: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    export(cloud, "dev", OUTPUTS | VPC)
    export(cloud, "prod", {"BucketName": "not this one"})
    before = written(checkout)
    typed = "--stage dev --allow 203.0.113.7,198.51.100.0/24 --lambda-workers 4 --setting SLUICE_LOADERS=3"
    assert configure.main([*typed.split(), "--layer", LAYER, "--setting", "A=b=c"]) == 0
    assert "stage dev of .chalice/config.json written" in capsys.readouterr().out

    after = written(checkout)
    section = after["config.json"]["stages"]["dev"]
    chosen = {"SLUICE_LOADERS": "3", "A": "b=c", "SLUICE_LAMBDA_WORKERS": "4"}
    outputs = OUTPUTS | VPC | {"AllowedAddresses": "203.0.113.7/32,198.51.100.0/24"}
    assert after["config.json"] == configure_stage(config(), "dev", outputs, settings=chosen, layer=LAYER)
    assert settings.load(section["environment_variables"]).lambda_workers == 4
    named = [it["iam_policy_file"] for it in section["lambda_functions"].values()]
    assert set(after) - set(before) == {*named, section["api_gateway_policy_file"]}
    rights = fill_policies("dev", outputs)
    assert {name: after[f"policies/dev/{name}.json"] for name in rights} == rights
    assert {name: after[name] for name in before if name != "config.json"} == {
        name: before[name] for name in before if name != "config.json"
    }


def test_certificates_of_a_database_are_kept_for_the_package(
    checkout: Path, cloud: Cloud, tmp_path: Path
) -> None:
    export(cloud, "dev", OUTPUTS)
    bundle = make_authority("of the database", tmp_path).file
    assert configure.main(["--stage", "dev", "--allow", "203.0.113.7", "--database-ca", str(bundle)]) == 0
    assert (checkout / ".chalice/certificates/dev.pem").read_bytes() == bundle.read_bytes()
    variables = written(checkout)["config.json"]["stages"]["dev"]["environment_variables"]
    assert variables["DATABASE_CA"] == configuration.DATABASE_CA


@pytest.mark.parametrize("mode", ["prefer", "require"])
def test_certificates_that_nothing_would_be_verified_with_are_refused(
    checkout: Path, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    export(cloud, "dev", OUTPUTS)
    before = written(checkout)
    typed = ["--stage", "dev", "--allow", "203.0.113.7", "--database-ca"]
    typed.append(str(make_authority("of the database", tmp_path).file))
    typed += ["--setting", f"DATABASE_URL=postgresql://db.example/sluice?sslmode={mode}"]
    assert configure.main(typed) == 1
    assert "sslmode in DATABASE_URL must be verify-full, verify-ca" in capsys.readouterr().err
    assert written(checkout) == before
    assert not (checkout / ".chalice/certificates").exists()


def test_a_stack_of_an_earlier_version_is_named(
    checkout: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    export(cloud, "dev", {name: it for name, it in OUTPUTS.items() if name != "SweepDatabaseSecretArn"})
    before = written(checkout)
    assert configure.main(["--stage", "dev", "--allow", "203.0.113.7"]) == 1
    assert (
        "sluice-dev-database has no SweepDatabaseSecretArn: deploy the stacks again"
        in capsys.readouterr().err
    )
    assert written(checkout) == before


def test_the_api_allows_the_pages_that_the_bucket_allows(
    checkout: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    def configured(*more: str) -> dict[str, str]:
        assert configure.main(["--stage", "dev", "--allow", "203.0.113.7", *more]) == 0
        made: dict[str, str] = written(checkout)["config.json"]["stages"]["dev"]["environment_variables"]
        return made

    origins = "https://a.example,https://b.example"
    export(cloud, "dev", OUTPUTS | {"AllowedOrigins": origins})
    assert configured()[configuration.ALLOWED_ORIGINS] == origins

    typed = [
        "--stage",
        "dev",
        "--allow",
        "203.0.113.7",
        "--setting",
        "SLUICE_ALLOWED_ORIGINS=https://c.example",
    ]
    assert configure.main(typed) == 1
    assert "--parameter storage.AllowedOrigins" in capsys.readouterr().err

    del cloud.exports[stacks.stack_name("dev", "AllowedOrigins")]
    assert configuration.ALLOWED_ORIGINS not in configured()


def test_no_secret_is_written(checkout: Path, cloud: Cloud) -> None:
    export(cloud, "dev", OUTPUTS | VPC)
    assert configure.main(["--stage", "dev", "--allow", "203.0.113.7"]) == 0
    after = written(checkout)
    variables = after["config.json"]["stages"]["dev"]["environment_variables"]
    assert urlsplit(variables["DATABASE_URL"]).password is None
    assert not any("password" in it.lower() for it in variables)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--stage prod --allow 203.0.113.7", "the stacks of prod have no outputs: deploy them first"),
        ("--stage test --allow 203.0.113.7", "the stacks of test have no outputs: deploy them first"),
        (
            "--stage dev --allow 203.0.113.7 --database-ca none.pem",
            "--database-ca: no certificates in none.pem",
        ),
        ("--stage dev --allow 0.0.0.0/0", "if that is meant, add --everybody"),
        ("--stage dev --allow all", "--allow: 'all' does not appear to be an IPv4 or IPv6 network"),
        ("--stage dev --allow 203.0.113.7 --lambda-workers 2", "a Lambda worker needs its layer"),
        ("--stage dev --allow 203.0.113.7 --lambda-workers 1 --layer x", "SLUICE_LAMBDA_WORKERS must be"),
        ("--stage dev --allow 203.0.113.7 --lambda-workers -1 --layer x", "SLUICE_LAMBDA_WORKERS must"),
        ("--stage dev --allow 203.0.113.7 --setting SLUICE_LOADERS=many", "SLUICE_LOADERS must be"),
    ],
)
def test_an_error_is_reported_and_nothing_is_written(
    checkout: Path,
    cloud: Cloud,
    capsys: pytest.CaptureFixture[str],
    typed: str,
    message: str,
) -> None:
    export(cloud, "dev", OUTPUTS)
    before = written(checkout)
    assert configure.main(typed.split()) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("not configured: ")
    assert message in said.err
    assert written(checkout) == before


def test_a_stage_with_stacks_must_be_in_the_configuration(
    checkout: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    export(cloud, "local", OUTPUTS)
    assert configure.main(["--stage", "local", "--allow", "203.0.113.7"]) == 1
    assert "no stage 'local' in .chalice/config.json, but dev, prod" in capsys.readouterr().err
    assert set(written(checkout)) == {
        "config.json",
        *(f"policies/{it.name}" for it in POLICIES.glob("*.json")),
    }


@pytest.mark.parametrize(
    "typed",
    [
        "--stage dev",
        "--allow 203.0.113.7",
        "--stage dev --allow 203.0.113.7 --lambda-workers two",
        "--stage dev --allow 203.0.113.7 --setting SLUICE_LOADERS",
        "--stage dev --allow 203.0.113.7 --setting =3",
    ],
)
def test_invalid_arguments_are_refused(
    checkout: Path, cloud: Cloud, typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    export(cloud, "dev", OUTPUTS)
    before = written(checkout)
    with pytest.raises(SystemExit) as ended:
        configure.main(typed.split())
    assert ended.value.code == 2
    assert "python -m infra.configure" in capsys.readouterr().err
    assert written(checkout) == before


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
@pytest.mark.parametrize("command", ["deploy", "package", "local"])
def test_chalice_says_what_to_do_for_a_stage_that_is_not_configured(
    stage: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checked_in = json.loads((ROOT / ".chalice" / "config.json").read_text())
    variables = checked_in["stages"][stage]["environment_variables"]
    argv = ["chalice", command, "--stage", stage]

    with pytest.raises(SystemExit):
        settings.end_if_unconfigured(variables, argv)

    assert f"Stage {stage} has no settings yet. " in capsys.readouterr().err
    addresses = {**variables, "DATABASE_URL": "postgresql://127.0.0.1/sluice"}
    if command == "local":  # serves with the addresses of the local stack
        settings.end_if_unconfigured(addresses, argv)
    else:
        with pytest.raises(SystemExit):
            settings.end_if_unconfigured(addresses, argv)
    configured = configure_stage(checked_in, stage, OUTPUTS, settings={})
    settings.end_if_unconfigured(configured["stages"][stage]["environment_variables"], argv)
