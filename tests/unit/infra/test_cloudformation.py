"""The templates, by cfn-lint and by rules that it does not know. tests/integration deploys them."""

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file
from cfnlint.decode import decode
from chalice.utils import to_cfn_resource_name

from chalicelib import settings
from chalicelib.service import object_keys as keys
from chalicelib.telemetry import Metric
from infra import bundle
from infra.deployment import api, configuration
from infra.emulator.resources import cors_rule
from infra.stacks import FOLDER, KEYED, OPTIONAL, TEMPLATES

PATHS = {name: FOLDER / f"{name}.yaml" for name in TEMPLATES}
LOADED: dict[str, dict[str, Any]] = {name: decode(str(path))[0] for name, path in PATHS.items()}
MERGED: dict[str, Any] = decode(str(FOLDER / "merge.yaml"))[0]
KEY = ({"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"})  # a key of the operator's, or the service's own
LAMBDA_TIMEOUT = 900  # of the worker that is a function
# What other parts of the project read of a stage.
PROMISED = {
    *("BucketName", "BucketArn", "JobsQueueUrl", "JobsQueueArn", "JobsQueueName", "DeadLetterQueueUrl"),
    *("DeadLetterQueueArn", "EventsDeadLetterQueueUrl", "EventsDeadLetterQueueArn", "PrivateSubnetIds"),
    *("FunctionSecurityGroupId", "WorkerSecurityGroupId", "VpcId", "DatabaseUrl", "DatabaseSecretArn"),
    *("RedisUrl", "RedisSecretArn", "UploadTokenSecretArn", "KmsKeyArn", "AllowedOrigins"),
    *configuration.ROLE_SECRETS.values(),
}
# Actions that name no resource. Source: AWS Service Authorization Reference.
WITHOUT_RESOURCE = {
    "ecr:GetAuthorizationToken": "a token is for the registry",
    "xray:PutTraceSegments": "traces are nobody's",
    "xray:PutTelemetryRecords": "likewise",
    "xray:GetSamplingRules": "likewise",
    "xray:GetSamplingTargets": "likewise",
}
SLUICE = "Sluice/${Stage}"
SLUICE_METRICS = {metric.value for metric in Metric}
METRICS = {
    SLUICE: SLUICE_METRICS,
    "AWS/SQS": {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateAgeOfOldestMessage",
    },
    "AWS/Lambda": {"Errors", "Throttles", "Duration"},
    "AWS/ApiGateway": {"Count", "4XXError", "5XXError"},
    "AWS/RDS": {
        *("CPUUtilization", "DatabaseConnections", "FreeStorageSpace", "WriteIOPS", "ClientConnections"),
        *("DatabaseConnectionsBorrowLatency", "DatabaseConnectionsCurrentlySessionPinned"),
        "ClientConnectionsSetupFailedAuth",
    },
    "AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
    "ECS/ContainerInsights": {"RunningTaskCount"},
    "AWS/ElastiCache": {"DatabaseMemoryUsagePercentage", "EngineCPUUtilization"},
}


def nodes(value: Any) -> Iterator[Any]:
    """Yield the value and all values nested in it."""
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from nodes(child)


def resources(*types: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the resources of these types in all templates: `template.name` and the resource."""
    for template, loaded in LOADED.items():
        for name, resource in loaded["Resources"].items():
            if resource["Type"] in types:
                yield f"{template}.{name}", resource


def properties(place: str) -> dict[str, Any]:
    template, _, name = place.partition(".")
    found: dict[str, Any] = LOADED[template]["Resources"][name]["Properties"]
    return found


def branches(statements: list[Any]) -> Iterator[dict[str, Any]]:
    """Return the statements, including conditional ones."""
    for statement in statements:
        if "Fn::If" in statement:
            yield from (one for one in statement["Fn::If"][1:] if "Effect" in one)
        else:
            yield statement


def actions(statement: dict[str, Any]) -> list[str]:
    found = statement["Action"]
    return [found] if isinstance(found, str) else found


def imports(template: str) -> set[str]:
    return {node["Fn::ImportValue"]["Fn::Sub"] for node in nodes(LOADED[template]) if is_import(node)}


def is_import(node: Any) -> bool:
    return isinstance(node, dict) and "Fn::ImportValue" in node


def exports(template: str) -> set[str]:
    return {output["Export"]["Name"]["Fn::Sub"] for output in LOADED[template].get("Outputs", {}).values()}


def test_every_template_is_deployed() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*TEMPLATES, "merge"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    assert [str(match) for match in lint_file(PATHS[name])] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_fits_into_a_request(name: str) -> None:
    assert PATHS[name].stat().st_size <= 51_200  # CreateChangeSet: TemplateBody


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_allow_the_same_stages(name: str) -> None:
    assert LOADED[name]["Parameters"]["Stage"]["AllowedValues"] == ["local", "dev", "prod"]


def test_imports_refer_to_exports_of_earlier_stacks() -> None:
    before: set[str] = set()
    always: set[str] = set()
    for name in TEMPLATES:
        assert imports(name) <= (before if name in OPTIONAL else always), name
        before |= exports(name)
        always |= set() if name in OPTIONAL else exports(name)


def test_exports_have_the_names_of_their_outputs() -> None:
    told = {key: export for name in TEMPLATES for key, export in exported(name)}
    assert told == {key: f"sluice-${{Stage}}-{key}" for key in told}
    assert told.keys() >= PROMISED


def exported(template: str) -> Iterator[tuple[str, str]]:
    for key, output in LOADED[template].get("Outputs", {}).items():
        yield key, output["Export"]["Name"]["Fn::Sub"]


def test_queue_timeouts_and_deliveries_match_the_workers_settings() -> None:
    queue = properties("storage.JobsQueue")
    assert queue["VisibilityTimeout"] >= LAMBDA_TIMEOUT
    assert queue["RedrivePolicy"]["maxReceiveCount"] == settings.load({}).max_deliveries
    for _, resource in resources("AWS::SQS::Queue"):
        encrypted = [
            resource["Properties"][name]["Fn::If"] for name in ("KmsMasterKeyId", "SqsManagedSseEnabled")
        ]
        assert encrypted == [["HasKey", *KEY], ["HasKey", {"Ref": "AWS::NoValue"}, True]]
        assert resource["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_the_bucket_expires_objects_and_unfinished_uploads() -> None:
    rules = properties("storage.Bucket")["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring == {prefix: {"Ref": "ObjectDays"} for prefix in (keys.UPLOADS, keys.DROP)}
    abort = "AbortIncompleteMultipartUpload"
    (aborted,) = (rule[abort] for rule in rules if abort in rule and "Prefix" not in rule)
    patience = settings.load({}).parts_expire / 86400
    assert aborted["DaysAfterInitiation"] > patience
    assert LOADED["storage"]["Parameters"]["ObjectDays"]["MinValue"] > patience


def test_the_bucket_notifies_the_given_function_or_leaves_its_notification_alone() -> None:
    assert LOADED["storage"]["Parameters"]["IntakeFunctionArn"]["Default"] == ""
    told, notification, otherwise = properties("storage.Bucket")["NotificationConfiguration"]["Fn::If"]
    assert told == "TellsIntake"
    (one,) = notification["LambdaConfigurations"]
    assert one == {"Event": "s3:ObjectCreated:*", "Function": {"Ref": "IntakeFunctionArn"}}
    assert otherwise == {"Ref": "AWS::NoValue"}  # an empty one would detach what Chalice attached


def test_pages_may_do_the_same_with_the_bucket_as_on_the_emulator() -> None:
    asked, found, otherwise = properties("storage.Bucket")["CorsConfiguration"]["Fn::If"]
    assert (asked, otherwise) == ("FromBrowsers", {"Ref": "AWS::NoValue"})
    (rule,) = found["CorsRules"]
    assert rule.pop("AllowedOrigins") == {"Fn::Split": [",", {"Ref": "AllowedOrigins"}]}
    assert rule["AllowedMethods"] == ["GET", "PUT"]  # rejects files, uploads
    ours = dict(cors_rule(()))
    del ours["AllowedOrigins"]
    names = {"ExposeHeaders": "ExposedHeaders", "MaxAgeSeconds": "MaxAge"}
    assert rule == {names.get(name, name): value for name, value in ours.items()}


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("", True),
        ("https://app.example.org", True),
        ("https://app.example.org:8443,http://localhost:8000,http://127.0.0.1", True),
        ("*", False),
        ("https://*.example.org", False),
        ("http://app.example.org", False),
        ("https://app.example.org/", False),
        ("https://App.example.org", False),
        ("https://a.example, https://b.example", False),  # the bucket's rules would have the blank
        ("https://a.example,", False),
        (",", False),
    ],
)
def test_the_stack_takes_origins_that_the_api_takes(text: str, allowed: bool) -> None:
    pattern = LOADED["storage"]["Parameters"]["AllowedOrigins"]["AllowedPattern"]
    assert (re.fullmatch(pattern, text) is not None) == allowed
    if allowed:
        settings.load({configuration.ALLOWED_ORIGINS: text})


# What is merged into Chalice's template is not a template. cfn-lint sees it in test_cloudformation_only.py.


@pytest.mark.parametrize("function", configuration.FUNCTIONS)
def test_functions_have_chalices_names_and_their_logs_expire(function: str) -> None:
    name = to_cfn_resource_name(function)
    said = MERGED["Resources"]["APIHandler" if function == "api_handler" else name]
    known = "sluice-${Stage}" if function == "api_handler" else f"sluice-${{Stage}}-{function}"
    assert said["Properties"]["FunctionName"] == {"Fn::Sub": known}
    assert said["DependsOn"] == f"{name}LogGroup"
    logs = MERGED["Resources"][said["DependsOn"]]["Properties"]
    assert logs == {
        "LogGroupName": {"Fn::Sub": f"/aws/lambda/{known}"},
        "RetentionInDays": {"Ref": "LogDays"},
        "KmsKeyId": {"Fn::If": ["HasKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]},
    }


def test_the_merged_template_configures_the_api_as_the_other_way_does() -> None:
    parameters = MERGED["Parameters"]
    assert (parameters["RateLimit"]["Default"], parameters["BurstLimit"]["Default"]) == (api.RATE, api.BURST)
    assert parameters["AccessLog"]["Default"] == str(api.ApiSettings().access_log).lower()
    group = MERGED["Resources"]["AccessLogGroup"]["Properties"]["LogGroupName"]["Fn::Sub"]
    assert group == api.access_log_group("${Stage}")
    assert bundle.additions({})["Parameters"]["AccessLogFormat"]["Default"] == api.LOG_FORMAT


def test_the_merged_template_imports_from_the_storage_stack_only() -> None:
    imported = {node["Fn::ImportValue"]["Fn::Sub"] for node in nodes(MERGED) if is_import(node)}
    assert imported
    assert imported <= exports("storage")
    assert MERGED["Parameters"]["Stage"] == LOADED["storage"]["Parameters"]["Stage"]


def test_deleting_keeps_the_bucket_and_a_database_snapshot() -> None:
    assert LOADED["storage"]["Resources"]["Bucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert LOADED["database"]["Resources"]["Database"]["DeletionPolicy"] == "Snapshot"
    protected = properties("database.Database")["DeletionProtection"]
    assert protected == {"Fn::If": ["IsProd", True, False]}


def test_rights_name_their_resources() -> None:
    found = 0
    for place, role in resources("AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        assert "ManagedPolicyArns" not in role["Properties"], place
        for policy in role["Properties"]["Policies"]:
            for statement in branches(policy["PolicyDocument"]["Statement"]):
                found += 1
                assert not [action for action in actions(statement) if "*" in action], place
                if statement["Resource"] == "*":
                    assert set(actions(statement)) <= WITHOUT_RESOURCE.keys(), place
    assert found > 8


def test_roles_trust_services_of_this_account_only() -> None:
    for place, role in resources("AWS::IAM::Role"):
        (statement,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"].keys() == {"Service"}, place
        account = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
        assert statement["Condition"] == account, place


def test_the_worker_has_the_rights_that_operations_lists() -> None:
    (policy,) = properties("worker.TaskRole")["Policies"]
    statements = branches(policy["PolicyDocument"]["Statement"])
    rights = {action for statement in statements for action in actions(statement)}
    told = (FOLDER.parents[1] / "docs" / "explanation" / "how-it-runs.md").read_text()
    assert {right for right in rights if f"`{right}`" not in told} <= {
        *WITHOUT_RESOURCE,
        "secretsmanager:GetSecretValue",
    }
    assert {right.partition(":")[0] for right in rights} == {"s3", "sqs", "secretsmanager", "xray", "kms"}


def test_no_resource_is_reachable_from_outside() -> None:
    ways_out = (
        "InternetGateway",
        "VPCGatewayAttachment",
        "NatGateway",
        "EIP",
        "Route",
        "EgressOnlyInternetGateway",
    )
    assert not list(resources(*(f"AWS::EC2::{name}" for name in ways_out)))
    said = Counter(
        (key, value) for node in nodes(LOADED) if isinstance(node, dict) for key, value in public(node)
    )
    assert said == {
        ("PubliclyAccessible", False): 1,
        ("MapPublicIpOnLaunch", False): 2,
        ("AssignPublicIp", "DISABLED"): 1,
    }
    block = properties("storage.Bucket")["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )


def public(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    names = ("PubliclyAccessible", "MapPublicIpOnLaunch", "AssignPublicIp")
    return ((name, node[name]) for name in names if name in node)


def test_security_groups_admit_other_groups_on_one_port() -> None:
    wanted = {
        "network.ProxySecurityGroup": (5432, {"FunctionSecurityGroup", "WorkerSecurityGroup"}),
        "network.DatabaseSecurityGroup": (5432, {"ProxySecurityGroup"}),
        "network.CacheSecurityGroup": (6379, {"FunctionSecurityGroup", "WorkerSecurityGroup"}),
        "network.EndpointSecurityGroup": (443, {"FunctionSecurityGroup", "WorkerSecurityGroup"}),
    }
    for place, group in resources("AWS::EC2::SecurityGroup"):
        port, sources = wanted.pop(place, (0, set()))
        rules = group["Properties"].get("SecurityGroupIngress", [])
        assert {rule["SourceSecurityGroupId"]["Ref"] for rule in rules} == sources, place
        assert {(rule["FromPort"], rule["ToPort"]) for rule in rules} <= {(port, port)}, place
        assert group["Properties"]["SecurityGroupEgress"], place  # else everything goes out
    assert not wanted


def test_resource_policies_refuse_other_accounts_and_plain_http() -> None:
    closed = []
    for place, policy in resources("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Deny":
                assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                closed.append(place)
            else:
                assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}, place
    watched = list(resources("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic"))
    assert len(closed) == len(watched) == 5
    assert properties("database.Proxy")["RequireTLS"] is True
    assert properties("database.Parameters")["Parameters"]["rds.force_ssl"] == "1"
    assert properties("cache.Cache")["TransitEncryptionMode"] == "required"
    assert LOADED["cache"]["Outputs"]["RedisUrl"]["Value"]["Fn::Sub"].startswith("rediss://")


def test_stored_data_is_encrypted() -> None:
    assert properties("storage.Bucket")["BucketEncryption"]
    assert properties("database.Database")["StorageEncrypted"] is True
    assert properties("cache.Cache")["AtRestEncryptionEnabled"] is True


def test_a_key_of_the_operators_encrypts_everything_that_is_stored() -> None:
    chosen = {"Fn::If": ["HasKey", *KEY]}
    types = {
        "AWS::SecretsManager::Secret": "KmsKeyId",
        "AWS::RDS::DBInstance": "KmsKeyId",
        "AWS::ElastiCache::ReplicationGroup": "KmsKeyId",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SQS::Queue": "KmsMasterKeyId",
    }
    places = list(resources(*types))
    assert len(places) == 13
    for place, resource in places:
        assert resource["Properties"][types[resource["Type"]]] == chosen, place
    assert properties("database.Database")["PerformanceInsightsKMSKeyId"] == chosen
    (rule,) = properties("storage.Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = rule["ServerSideEncryptionByDefault"]
    assert default["KMSMasterKeyID"] == chosen
    assert default["SSEAlgorithm"] == {"Fn::If": ["HasKey", "aws:kms", "AES256"]}
    assert {name for name in TEMPLATES if "KmsKeyArn" in LOADED[name]["Parameters"]} == set(KEYED)


def test_each_role_has_a_secret_that_the_proxy_knows() -> None:
    secrets = {
        place.partition(".")[2]: it["Properties"]
        for place, it in resources("AWS::SecretsManager::Secret")
        if place.startswith("database.")
    }
    assert {name.removesuffix("Secret").lower() for name in secrets} == {"", *configuration.ROLE_SECRETS}
    for name, secret in secrets.items():
        made = secret["GenerateSecretString"]
        role = name.removesuffix("Secret").lower()
        template = made["SecretStringTemplate"]
        user = json.loads(template["Fn::Sub"] if role else template)["username"]
        assert user == (f"sluice_${{Stage}}_{role}" if role else "sluice")
        assert made["GenerateStringKey"] == "password"
    known = {it["SecretArn"]["Ref"] for it in properties("database.Proxy")["Auth"]}
    (policy,) = properties("database.ProxyRole")["Policies"]
    readable = {it["Ref"] for it in policy["PolicyDocument"]["Statement"][0]["Resource"]}
    assert known == readable == set(secrets)


def test_no_password_is_an_output_or_a_parameter() -> None:
    for name, loaded in LOADED.items():
        for kind in ("Parameters", "Outputs"):
            assert "{{resolve:" not in json.dumps(loaded.get(kind, {})), name
            assert not [it for it in loaded.get(kind, {}) if "password" in it.lower()], name
    assert properties("cache.Cache")["AuthToken"]["Fn::Sub"].startswith("{{resolve:secretsmanager:${Secret}")


def test_the_database_url_has_no_credentials() -> None:
    url = LOADED["database"]["Outputs"]["DatabaseUrl"]["Value"]["Fn::Sub"]
    assert re.fullmatch(r"postgresql://\$\{Proxy\.Endpoint\}:5432/sluice\?sslmode=verify-full", url)


def metrics_of(alarm: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for node in nodes(alarm):
        if isinstance(node, dict) and "MetricName" in node:
            namespace = node["Namespace"]
            yield namespace["Fn::Sub"] if isinstance(namespace, dict) else namespace, node["MetricName"]


def test_every_alarm_notifies_and_watches_an_existing_metric() -> None:
    names = []
    for place, alarm in resources("AWS::CloudWatch::Alarm"):
        said = alarm["Properties"]
        template = LOADED[place.partition(".")[0]]["Resources"]
        acting = ("AWS::SNS::Topic", "AWS::ApplicationAutoScaling::ScalingPolicy")
        assert said["AlarmActions"], place
        assert all(template[action["Ref"]]["Type"] in acting for action in said["AlarmActions"]), place
        assert said["TreatMissingData"] == "notBreaching", place
        used = list(metrics_of(said))
        assert used, place
        assert all(metric in METRICS[namespace] for namespace, metric in used), place
        names.append(said["AlarmName"]["Fn::Sub"])
    assert len(names) == len(set(names)) > 20


def test_alarm_expressions_refer_to_their_metrics() -> None:
    for place, alarm in resources("AWS::CloudWatch::Alarm"):
        queries = {query["Id"]: query for query in alarm["Properties"].get("Metrics", [])}
        shown = [name for name, query in queries.items() if query.get("ReturnData", True)]
        assert len(shown) == bool(queries), place
        for query in queries.values():
            assert set(re.findall(r"[a-z]\w*", query.get("Expression", ""))) <= queries.keys(), place


def test_the_dashboard_shows_metrics_that_exist() -> None:
    text = properties("monitoring.Dashboard")["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(text)["widgets"]
    metrics = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
    assert {metric[1] for metric in metrics if metric[0] == SLUICE} == SLUICE_METRICS
    assert [metric for metric in metrics if metric[1] not in METRICS[metric[0]]] == []
    places = Counter(
        (x, y)
        for widget in widgets
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    )
    assert max(places.values()) == 1  # none covers another
    assert max(x for x, _ in places) < 24


def test_the_workers_settings_exist() -> None:
    worker = properties("worker.Task")["ContainerDefinitions"][0]
    said = [
        node["Name"] for node in nodes(worker["Environment"]) if isinstance(node, dict) and "Name" in node
    ]
    known = Path(settings.__file__).read_text()
    others = {"AWS_DEFAULT_REGION", "AWS_XRAY_DAEMON_ADDRESS", "POWERTOOLS_METRICS_NAMESPACE"}
    assert [name for name in said if f'"{name}"' not in known and name not in others] == []
    (grace,) = (node["Value"] for node in worker["Environment"] if node.get("Name") == "SLUICE_GRACE_SECONDS")
    assert int(grace) < worker["StopTimeout"] <= 120  # the most that Fargate waits


def test_the_worker_runs_unprivileged_on_a_read_only_file_system() -> None:
    for container in properties("worker.Task")["ContainerDefinitions"]:
        said = container["Fn::If"][1] if "Fn::If" in container else container
        assert said["ReadonlyRootFilesystem"] is True
        assert not said["User"].startswith("0")


@pytest.mark.parametrize(("age", "status"), [(0, 0), (60, 1)])
def test_the_health_check_fails_for_a_stale_health_file(tmp_path: Path, age: int, status: int) -> None:
    kind, command = properties("worker.Task")["ContainerDefinitions"][0]["HealthCheck"]["Command"]
    assert kind == "CMD-SHELL"
    file = tmp_path / "health"
    file.touch()
    touched = file.stat().st_mtime - age
    os.utime(file, (touched, touched))
    env = {**os.environ, "SLUICE_HEALTH_FILE": str(file)}
    assert subprocess.run(["/bin/sh", "-c", command], env=env, check=False).returncode == status
