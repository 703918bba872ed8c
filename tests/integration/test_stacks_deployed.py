"""The templates, deployed to LocalStack, and what is there then.

LocalStack's community edition has no RDS, ElastiCache, ECS, Application Auto Scaling or dashboards: of those
it makes nothing, and takes their attributes for "unknown". So `database`, `cache` and `worker` are deployed
to see that all they import is there, that their secret and their roles are made, and no more.

Beside that it leaves out the bucket's lifecycle rules, the security groups' rules and every DeletionPolicy,
so that the bucket is deleted, and an update does not reach alarms. See
`tests/unit/infra/test_cloudformation.py`.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from localstack_client.session import Session

from chalicelib import settings
from infra import stacks
from infra.deployment.configuration import ROLE_SECRETS
from infra.stacks import StackFailedError
from infra.steps.progress import to_nowhere

STAGE = "dev"
ACCOUNT = "000000000000"
BUCKET = f"sluice-{STAGE}-uploads-{ACCOUNT}"
ORIGIN = "https://sluice.example"
VALUES = {
    "storage": {"AllowedOrigins": ORIGIN, "ObjectDays": "40"},
    "worker": {"Image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/sluice@sha256:{'0' * 64}"},
    "monitoring": {"Email": "nobody@sluice.example"},
}
BUCKET_NAMED = """
Parameters: {{Stage: {{Type: String}}}}
Resources: {{Trial: {{Type: "AWS::S3::Bucket", Properties: {{BucketName: {}}}}}}}
"""
# LocalStack cannot tell what is new in a Fn::FindInMap with a parameter in it, as `worker` has one.
COMPARABLE = [template for template in stacks.TEMPLATES if template != "worker"]


@pytest.fixture(scope="module")
def cloud(aws: Session) -> Iterator[Any]:
    """CloudFormation, with everything deployed."""
    client = aws.client("cloudformation")
    try:
        stacks.deploy(client, STAGE, stacks.TEMPLATES, VALUES, report=to_nowhere)
        yield client
    finally:
        stacks.delete(client, STAGE, report=to_nowhere)


@pytest.fixture(scope="module")
def told(cloud: Any) -> Mapping[str, str]:
    return stacks.outputs(STAGE, cloud)


@pytest.fixture
def attributes(aws: Session, told: Mapping[str, str]) -> Mapping[str, dict[str, str]]:
    """Return the attributes of each queue."""
    sqs, names = aws.client("sqs"), ("JobsQueue", "DeadLetterQueue", "EventsDeadLetterQueue")
    return {
        name: sqs.get_queue_attributes(QueueUrl=told[f"{name}Url"], AttributeNames=["All"])["Attributes"]
        for name in names
    }


def test_outputs_lead_to_what_was_made(
    told: Mapping[str, str], attributes: Mapping[str, dict[str, str]]
) -> None:
    assert told["BucketName"] == BUCKET
    assert told["BucketArn"] == f"arn:aws:s3:::{BUCKET}"
    assert told["JobsQueueName"] == f"sluice-{STAGE}-jobs"
    for name, said in attributes.items():
        assert told[f"{name}Arn"] == said["QueueArn"]


def test_the_bucket_is_private_versioned_and_encrypted(aws: Session, told: Mapping[str, str]) -> None:
    s3 = aws.client("s3")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    (owner,) = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert owner["ObjectOwnership"] == "BucketOwnerEnforced"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert statement["Resource"] == [told["BucketArn"], f"{told['BucketArn']}/*"]
    assert statement["Effect"] == "Deny"


def test_a_page_of_the_given_origin_may_send_a_file_and_no_other(
    aws: Session, told: Mapping[str, str]
) -> None:
    url = aws.client("s3").generate_presigned_url(
        "put_object", Params={"Bucket": told["BucketName"], "Key": "uploads/d/j/f"}
    )
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,x-amz-checksum-sha256",
    }
    allowed = httpx.options(url, headers={"Origin": ORIGIN, **asked})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert allowed.headers["access-control-expose-headers"].split(", ") == ["ETag", "x-amz-checksum-sha256"]
    assert httpx.options(url, headers={"Origin": "https://other.example", **asked}).status_code == 403
    deletes = {**asked, "Access-Control-Request-Method": "DELETE"}
    assert httpx.options(url, headers={"Origin": ORIGIN, **deletes}).status_code == 403


def test_a_page_of_the_given_origin_may_read_a_signed_url_and_no_other(
    aws: Session, told: Mapping[str, str]
) -> None:
    s3, place = aws.client("s3"), {"Bucket": told["BucketName"], "Key": "rejects/d/j/rejects.csv"}
    s3.put_object(**place, Body=b"id\n")
    url = s3.generate_presigned_url("get_object", Params=place)
    allowed = httpx.get(url, headers={"Origin": ORIGIN})
    assert (allowed.text, allowed.headers["access-control-allow-origin"]) == ("id\n", ORIGIN)
    for origin in ("https://other.example", "null"):
        assert "access-control-allow-origin" not in httpx.get(url, headers={"Origin": origin}).headers


def test_the_queues_have_their_settings(
    told: Mapping[str, str], attributes: Mapping[str, dict[str, str]]
) -> None:
    jobs = attributes["JobsQueue"]
    assert int(jobs["VisibilityTimeout"]) >= 900
    assert json.loads(jobs["RedrivePolicy"]) == {
        "deadLetterTargetArn": told["DeadLetterQueueArn"],
        "maxReceiveCount": settings.load({}).max_deliveries,
    }
    allowed = json.loads(attributes["DeadLetterQueue"]["RedriveAllowPolicy"])
    assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [told["JobsQueueArn"]]}
    for said in attributes.values():
        assert said["SqsManagedSseEnabled"] == "true"
        assert said["MessageRetentionPeriod"] == "1209600"
        assert json.loads(said["Policy"])["Statement"][0]["Condition"] == {
            "Bool": {"aws:SecureTransport": "false"}
        }


def test_a_message_that_is_never_acknowledged_becomes_a_dead_letter(
    aws: Session, told: Mapping[str, str]
) -> None:
    sqs, queue = aws.client("sqs"), told["JobsQueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="poison")
    for _ in range(settings.load({}).max_deliveries):
        (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"]
        sqs.change_message_visibility(
            QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    assert "Messages" not in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)
    (dead,) = sqs.receive_message(QueueUrl=told["DeadLetterQueueUrl"], WaitTimeSeconds=2)["Messages"]
    assert dead["Body"] == "poison"


def test_the_network_has_no_way_out(aws: Session, told: Mapping[str, str]) -> None:
    ec2, ours = aws.client("ec2"), [{"Name": "vpc-id", "Values": [told["VpcId"]]}]
    subnets = ec2.describe_subnets(Filters=ours)["Subnets"]
    assert {subnet["SubnetId"] for subnet in subnets} == set(told["PrivateSubnetIds"].split(","))
    assert len({subnet["AvailabilityZone"] for subnet in subnets}) == 2
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in subnets)
    endpoints = ec2.describe_vpc_endpoints(Filters=ours)["VpcEndpoints"]
    made = {
        (one["ServiceName"].removeprefix("com.amazonaws.us-east-1."), one["VpcEndpointType"])
        for one in endpoints
    }
    interfaces = ("sqs", "secretsmanager", "logs", "xray", "ecr.api", "ecr.dkr")
    assert made == {("s3", "Gateway"), *((name, "Interface") for name in interfaces)}
    routes = ec2.describe_route_tables(Filters=ours)["RouteTables"]
    targets = {route.get("GatewayId", "another") for table in routes for route in table["Routes"]}
    assert all(target == "local" or target.startswith("vpce-") for target in targets)
    assert len({told[f"{name}SecurityGroupId"] for name in ("Function", "Worker")}) == 2


def test_the_way_to_s3_leads_to_our_bucket(aws: Session, told: Mapping[str, str]) -> None:
    found = aws.client("ec2").describe_vpc_endpoints(
        Filters=[
            {"Name": "vpc-id", "Values": [told["VpcId"]]},
            {"Name": "service-name", "Values": ["com.amazonaws.us-east-1.s3"]},
        ]
    )["VpcEndpoints"]
    uploads, layers = json.loads(found[0]["PolicyDocument"])["Statement"]
    assert uploads["Resource"] == [told["BucketArn"], f"{told['BucketArn']}/*"]
    assert layers["Resource"] == "arn:aws:s3:::prod-us-east-1-starport-layer-bucket/*"


def test_the_password_is_generated(aws: Session, told: Mapping[str, str]) -> None:
    secret = aws.client("secretsmanager").get_secret_value(SecretId=told["DatabaseSecretArn"])
    credentials = json.loads(secret["SecretString"])
    assert credentials["username"] == "sluice"
    assert len(credentials["password"]) == 40
    assert credentials["password"].isalnum()


def test_each_role_has_a_login_of_its_own(aws: Session, told: Mapping[str, str]) -> None:
    client = aws.client("secretsmanager")
    found = {
        role: json.loads(client.get_secret_value(SecretId=told[output])["SecretString"])
        for role, output in ROLE_SECRETS.items()
    }
    assert {role: it["username"] for role, it in found.items()} == {it: f"sluice_dev_{it}" for it in found}
    assert len({it["password"] for it in found.values()}) == len(found)
    redis = json.loads(client.get_secret_value(SecretId=told["RedisSecretArn"])["SecretString"])
    assert len(redis["password"]) == 64


def test_the_worker_may_touch_what_is_the_stages(aws: Session, cloud: Any, told: Mapping[str, str]) -> None:
    resource = cloud.describe_stack_resource(
        StackName=stacks.stack_name(STAGE, "worker"), LogicalResourceId="TaskRole"
    )
    role = resource["StackResourceDetail"]["PhysicalResourceId"]
    policy = aws.client("iam").get_role_policy(RoleName=role, PolicyName="work")["PolicyDocument"]
    rights = {one["Sid"]: one["Resource"] for one in policy["Statement"]}
    uploads, drop, rejects = (f"{told['BucketArn']}/{prefix}/*" for prefix in ("uploads", "drop", "rejects"))
    assert rights == {
        "Files": [uploads, drop],
        "Sweeps": [uploads, drop, rejects],
        "RejectsFiles": rejects,
        "FilesThatAreGone": told["BucketArn"],
        "Password": told["WorkerDatabaseSecretArn"],
        "Jobs": told["JobsQueueArn"],
        "DeadLetters": told["DeadLetterQueueArn"],
    }


def test_alarms_tell_the_topic_and_the_topic_tells_people(aws: Session, told: Mapping[str, str]) -> None:
    alarms = aws.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"sluice-{STAGE}-")["MetricAlarms"]
    scaling = {f"sluice-{STAGE}-too-few-workers", f"sluice-{STAGE}-too-many-workers"}
    names = {alarm["AlarmName"] for alarm in alarms} - scaling
    assert {f"sluice-{STAGE}-{name}" for name in ("dead-letters", "jobs-wait", "worker-memory")} <= names
    assert f"sluice-{STAGE}-cache-memory-1" in names
    assert f"sluice-{STAGE}-job-errors" not in names  # no function works on jobs
    for alarm in alarms:
        if alarm["AlarmName"] in names:
            assert alarm["AlarmActions"] == [told["AlarmTopicArn"]]
    subscribed = aws.client("sns").list_subscriptions_by_topic(TopicArn=told["AlarmTopicArn"])
    assert [one["Endpoint"] for one in subscribed["Subscriptions"]] == ["nobody@sluice.example"]


def test_deploying_again_changes_nothing(cloud: Any, told: Mapping[str, str]) -> None:
    before = updates(cloud)
    stacks.deploy(cloud, STAGE, COMPARABLE, {"monitoring": {"WithWorker": "true"}}, report=to_nowhere)
    assert updates(cloud) == before
    assert stacks.outputs(STAGE, cloud) == told


def updates(cloud: Any) -> dict[str, Any]:
    """Status and last change of each stack."""
    found = (cloud.describe_stacks(StackName=stacks.stack_name(STAGE, it))["Stacks"][0] for it in COMPARABLE)
    return {it["StackName"]: (it["StackStatus"], it.get("LastUpdatedTime"), it["Parameters"]) for it in found}


def test_a_parameter_is_changed_alone(cloud: Any) -> None:
    changed = {"monitoring": {"QueueSeconds": "123", "WithWorker": "true"}}
    before = updates(cloud)
    stacks.deploy(cloud, STAGE, COMPARABLE, changed, report=to_nowhere)
    after = updates(cloud)
    name = stacks.stack_name(STAGE, "monitoring")
    assert {stack for stack in after if after[stack] != before[stack]} == {name}
    status, _, parameters = after[name]
    assert status == "UPDATE_COMPLETE"
    values = {one["ParameterKey"]: one["ParameterValue"] for one in parameters}
    assert (values["QueueSeconds"], values["Email"]) == ("123", "nobody@sluice.example")


def test_deleting_removes_every_resource(aws: Session, cloud: Any, told: Mapping[str, str]) -> None:
    stacks.delete(cloud, STAGE, report=to_nowhere)
    assert stacks.outputs(STAGE, cloud) == {}
    assert aws.client("sqs").list_queues(QueueNamePrefix=f"sluice-{STAGE}-").get("QueueUrls", []) == []
    assert aws.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"sluice-{STAGE}-")["MetricAlarms"] == []
    assert told["VpcId"] not in {vpc["VpcId"] for vpc in aws.client("ec2").describe_vpcs()["Vpcs"]}
    topics = aws.client("sns").list_topics()["Topics"]
    assert told["AlarmTopicArn"] not in {topic["TopicArn"] for topic in topics}
    stacks.delete(cloud, STAGE, report=to_nowhere)  # nothing to do


def test_a_stack_that_cannot_be_says_why_and_can_be_tried_again(
    aws: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = aws.client("cloudformation")
    monkeypatch.setattr(stacks, "FOLDER", tmp_path)
    template = tmp_path / "storage.yaml"
    try:
        template.write_text(BUCKET_NAMED.format("Not_A_Name"))
        with pytest.raises(StackFailedError, match="InvalidBucketName") as failed:
            stacks.deploy(client, STAGE, ["storage"], {}, report=to_nowhere)
        assert failed.value.reasons[0].startswith("Trial: CREATE_FAILED: ")
        template.write_text(BUCKET_NAMED.format("sluice-dev-trial"))
        stacks.deploy(client, STAGE, ["storage"], {}, report=to_nowhere)
        aws.client("s3").head_bucket(Bucket="sluice-dev-trial")
    finally:
        stacks.delete(client, STAGE, report=to_nowhere)
