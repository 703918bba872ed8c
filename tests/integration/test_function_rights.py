"""Each function and the worker, run with their own policies where IAM is enforced: in moto.

A function is run through everything that it does, on a real Postgres, and must not be refused. What it asked
for is noted. Then every right that anything here needs is tried in its name: it has those that it asked for,
those in BESIDE, and no others. What moto does not enforce is in tests/support/enforcing.py.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from chalice.test import Client
from psycopg import sql

import app as deployed
from chalicelib import wiring
from chalicelib.entrypoints.keys import create_operator_key
from chalicelib.wiring import Services
from infra.deployment.configuration import FUNCTIONS, ROLE_SECRETS, fill_policies
from tests.support.deployment import TICK
from tests.support.enforcing import ACCOUNT, REGION, Cloud, Right, enforcing
from tests.support.task_role import task_policy
from tests.support.waiting import wait_for

STAGE = "dev"
BUCKET, FOREIGN = "sluice-dev-uploads", "another-bucket"
JOBS, DEAD, EVENTS = "sluice-dev-jobs", "sluice-dev-jobs-dlq", "sluice-dev-events-dlq"
FOREIGN_QUEUE = "another-queue"
TOKENS, OWNER = "sluice-dev-upload-tokens", "sluice-dev-database"
SECRETS = {role: f"{OWNER}-{role}" for role in ROLE_SECRETS}
PREFIXES = ("uploads", "drop", "rejects", "other")
GROUPS = {
    name: f"/aws/lambda/sluice-{STAGE}" + ("" if name == "api_handler" else f"-{name}") for name in FUNCTIONS
}
SIZE = (5 << 20) + 1000  # bytes of a file in two parts
PART = 5 << 20


def lines(size: int) -> bytes:
    """Return a CSV file of at least so many bytes, with one record that is rejected."""
    filled = b"".join(b"%d,%s\n" % (n, b"x" * 1000) for n in range(size // 1000))
    return b"id,text\n" + filled + b"1,2,3,4\n"


def logs_of(name: str) -> set[Right]:
    """Return what Lambda does in a function's name, for its log."""
    actions = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
    return {Right(action, GROUPS[name]) for action in actions}


READ = "secretsmanager:GetSecretValue"
LOOK = "without it, what is not there looks like what may not be seen"
# What is allowed beside what the functions are seen to ask for, and why.
BESIDE: dict[str, dict[Right, str]] = {
    "api_handler": {},
    "on_upload": {
        Right("s3:GetObject", f"{BUCKET}/drop/"): "in a bucket that keeps no versions",
        Right("s3:ListBucket", BUCKET): LOOK,
        Right("sqs:SendMessage", EVENTS): "Lambda keeps failed events there, in the function's name",
    },
    "on_schedule": {
        Right("s3:DeleteObject", f"{BUCKET}/drop/"): "a bucket without versions, of a removed tenant",
        Right(
            "s3:AbortMultipartUpload", f"{BUCKET}/drop/"
        ): "a sender's upload in parts, of a removed tenant",
        Right("s3:AbortMultipartUpload", f"{BUCKET}/rejects/"): "a worker's that died, of a removed tenant",
    },
    "on_job": {
        Right("s3:ListBucket", BUCKET): LOOK,
        Right("sqs:ReceiveMessage", JOBS): "Lambda does, in the function's name",
        Right("sqs:GetQueueAttributes", JOBS): "likewise",
        Right("s3:GetObject", f"{BUCKET}/uploads/"): "files that came before the bucket kept versions",
        Right("s3:GetObject", f"{BUCKET}/drop/"): "likewise",
        Right("s3:AbortMultipartUpload", f"{BUCKET}/rejects/"): "a rejects file that S3 does not take",
        Right("s3:DeleteObject", f"{BUCKET}/rejects/"): "a rejects file whose job changed meanwhile",
    },
    "migrate": {},
}


@dataclass
class Stage:
    """A stage in memory: what its stacks make, and the outputs that name it."""

    cloud: Cloud
    database: str
    outputs: dict[str, str] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)

    def make(self) -> None:
        with self.cloud.as_operator() as session:
            s3, sqs, secrets = session.client("s3"), session.client("sqs"), session.client("secretsmanager")
            for bucket in (BUCKET, FOREIGN):
                place: Any = {"LocationConstraint": REGION}
                s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            urls = {
                name: sqs.create_queue(QueueName=name)["QueueUrl"]
                for name in (JOBS, DEAD, EVENTS, FOREIGN_QUEUE)
            }
            self.outputs = {
                "BucketName": BUCKET,
                "BucketArn": f"arn:aws:s3:::{BUCKET}",
                **{f"{output}Url": urls[name] for output, name in QUEUES.items()},
                **{
                    f"{output}Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
                    for output, name in QUEUES.items()
                },
                "UploadTokenSecretArn": secrets.create_secret(Name=TOKENS, SecretString="s" * 40)["ARN"],
            }
            parts, suffix = urlsplit(self.database), uuid4().hex[:8]
            owner = json.dumps({"username": parts.username, "password": parts.password})
            self.outputs["DatabaseSecretArn"] = secrets.create_secret(Name=OWNER, SecretString=owner)["ARN"]
            for role, output in ROLE_SECRETS.items():
                self.logins.append(f"sluice_{suffix}_{role}")
                login = json.dumps({"username": self.logins[-1], "password": uuid4().hex})
                self.outputs[output] = secrets.create_secret(Name=SECRETS[role], SecretString=login)["ARN"]
            self.foreign = secrets.create_secret(Name="another-secret", SecretString="{}")["ARN"]
        for name, policy in fill_policies(STAGE, self.outputs).items():
            self.cloud.make_role(name, policy)
        self.cloud.make_role("container", task_policy(self.outputs, "OnSqs"))

    @contextmanager
    def running(self, function: str, **settings: str) -> Iterator[Services]:
        """Let this process be the function, with its settings and its rights. It may be refused nothing."""
        role = {"on_upload": "sweep", "on_schedule": "sweep", "on_job": "worker", "container": "worker"}.get(
            function
        )
        secret = self.outputs["DatabaseSecretArn" if function == "migrate" else ROLE_SECRETS[role or "api"]]
        parts = urlsplit(self.database)
        env = {
            "DATABASE_URL": parts._replace(netloc=f"{parts.hostname}:{parts.port}").geturl(),
            "DATABASE_SECRET": secret,
            "DATABASE_ROLE_SECRETS": ",".join(
                f"{it}={self.outputs[out]}" for it, out in ROLE_SECRETS.items()
            ),
            "SLUICE_TOKEN_SECRETS_ID": self.outputs["UploadTokenSecretArn"],
            "SLUICE_BUCKET": BUCKET,
            "SLUICE_QUEUE_URL": self.outputs["JobsQueueUrl"],
            "SLUICE_DEAD_LETTER_QUEUE_URL": self.outputs["DeadLetterQueueUrl"],
            "SLUICE_PART_SIZE": str(PART),
            "SLUICE_MAX_SINGLE_UPLOAD": str(PART),
            "SLUICE_RANGE_SIZE": str(2 << 20),
            "SLUICE_SWEEP_SECONDS": "1",
            **settings,
        }
        with pytest.MonkeyPatch.context() as patched, self.cloud.as_role(function):
            for name, value in env.items():
                patched.setenv(name, value)
            wiring.services.cache_clear()
            try:
                yield wiring.services()
            finally:
                wiring.services().close()
                wiring.services.cache_clear()
        assert self.cloud.denied == []

    def sql(self, statement: str, *values: Any) -> None:
        with psycopg.connect(self.database) as connection:
            connection.execute(statement.encode(), values)

    def put(self, key: str, content: bytes) -> dict[str, Any]:
        """Put an object as a client does, and return S3's event."""
        with self.cloud.as_operator() as session:
            put = session.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
        stored = {
            "key": key,
            "size": len(content),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
        }
        return {"eventSource": "aws:s3", "s3": {"bucket": {"name": BUCKET}, "object": stored}}

    def message(self) -> dict[str, Any] | None:
        """Take a message off the queue, as Lambda does, and return its event."""
        with self.cloud.as_operator() as session:
            answer = session.client("sqs").receive_message(
                QueueUrl=self.outputs["JobsQueueUrl"], AttributeNames=["All"], VisibilityTimeout=900
            )
            for found in answer.get("Messages", []):
                record = {
                    "messageId": found["MessageId"],
                    "body": found["Body"],
                    "receiptHandle": found["ReceiptHandle"],
                    "attributes": found["Attributes"],
                }
                return {"Records": [record], "receipt": found["ReceiptHandle"]}
        return None


QUEUES = {"JobsQueue": JOBS, "DeadLetterQueue": DEAD, "EventsDeadLetterQueue": EVENTS}


class Api:
    """The API, as a client with an operator's key sees it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if not path.startswith(("/tenants", "/healthz")):
            headers["Sluice-Tenant"] = "acme"
        with Client(deployed.app) as client:
            raw = b"" if body is None else json.dumps(body).encode()
            answer = client.http.request(method, path, headers=headers, body=raw)
        assert answer.status_code < 400, answer.body
        return answer.status_code, json.loads(answer.body) if answer.body else {}


def invoke(function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a function as Lambda does, and return its answer."""
    with Client(deployed.app) as client:
        answer: dict[str, Any] = client.lambda_.invoke(function, dict(event)).payload
    return answer


class _Lambda:
    """What Chalice hands to a function."""

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self.context = self

    def to_dict(self) -> Mapping[str, Any]:
        return self._event

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture(scope="module")
def stage(services: Mapping[str, str], template_database: str) -> Iterator[Stage]:
    from infra.local import scratch

    with scratch.database(services["DATABASE_URL"], template_database) as url, enforcing() as cloud:
        made = Stage(cloud, url)
        made.make()
        yield made
    with psycopg.connect(services["DATABASE_URL"], autocommit=True) as connection:
        for login in made.logins:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(login)))


@pytest.fixture(scope="module")
def used(stage: Stage) -> Mapping[str, set[Right]]:
    """Run everything, and return what each function asked for."""
    found: dict[str, set[Right]] = {name: set() for name in (*FUNCTIONS, "container")}

    def note(function: str) -> None:
        found[function] |= stage.cloud.asked

    with stage.running("migrate") as sluice:
        assert invoke("migrate", {})["logins"] == stage.logins
        key = create_operator_key(sluice.api_keys)
    note("migrate")
    Story(stage, Api(key), note).tell()
    return found


@dataclass
class Story:
    """What is done with a stage, until every function has done all that it does."""

    stage: Stage
    api: Api
    note: Callable[[str], None]

    def tell(self) -> None:
        with self.running("api_handler"):
            for tenant in ("acme", "gone"):
                self.api.ask("POST", "/tenants", {"name": tenant})
            self.api.ask("GET", "/healthz?deep=1")
            self.api.ask("POST", "/upload-tokens", {"dataset": "d", "max_files": 1, "max_size": 100})
            small, large, canceled, lost, late = (
                self.register(size) for size in (None, SIZE, SIZE, None, SIZE)
            )
            self.api.ask("DELETE", f"/uploads/{canceled}")
            self.send_parts(large)
        events = [self.stage.put(self.key_of(small), lines(3000))]
        events.append(self.event_of(large))
        events.append(self.stage.put("drop/acme/d/dropped.csv", lines(2000)))
        self.take_in(events)
        self.work("on_job")
        self.take_in([self.stage.put(self.key_of(small), lines(4000))])  # a newer version
        self.work("container")
        with self.running("api_handler"):
            assert self.api.ask("GET", f"/jobs/{small}/rejects.csv")[0] == 202
        self.work("on_job")
        with self.running("api_handler"):
            assert self.api.ask("GET", f"/jobs/{small}/rejects.csv")[0] == 303
        self.bury("no job")
        for function in ("on_schedule", "container"):
            self.lose(lost, late)
            self.keep_rejects_file(small)
            self.remove_tenant()
            self.sweep(function)

    @contextmanager
    def running(self, function: str) -> Iterator[Services]:
        with self.stage.running(function) as sluice:
            yield sluice
        self.note(function)

    def register(self, size: int | None) -> str:
        request = {"filename": "f.csv", "dataset": "d"} | ({} if size is None else {"size": size})
        return str(self.api.ask("POST", "/uploads", request)[1]["job_id"])

    def key_of(self, job_id: str) -> str:
        with psycopg.connect(self.stage.database) as connection:
            row = connection.execute(
                "SELECT key FROM ingestion_jobs WHERE id = %s", [UUID(job_id)]
            ).fetchone()
        assert row
        return str(row[0])

    def send_parts(self, job_id: str) -> None:
        content = lines(SIZE)[:SIZE]
        self.api.ask("POST", f"/uploads/{job_id}/parts", {"parts": [{"number": 1}, {"number": 2}]})
        with self.stage.cloud.as_operator() as session:
            s3, key = session.client("s3"), self.key_of(job_id)
            (upload,) = (
                it["UploadId"]
                for it in s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
                if it["Key"] == key
            )
            for number, part in enumerate((content[:PART], content[PART:]), start=1):
                s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=part)
        assert len(self.api.ask("GET", f"/uploads/{job_id}/parts")[1]["parts"]) == 2
        self.api.ask("POST", f"/uploads/{job_id}/complete")
        self.api.ask("POST", f"/uploads/{job_id}/complete")  # and again, before its event has come

    def event_of(self, job_id: str) -> dict[str, Any]:
        key = self.key_of(job_id)
        with self.stage.cloud.as_operator() as session:
            head = session.client("s3").head_object(Bucket=BUCKET, Key=key)
        stored = {
            "key": key,
            "size": head["ContentLength"],
            "eTag": head["ETag"].strip('"'),
            "versionId": head["VersionId"],
        }
        return {"eventSource": "aws:s3", "s3": {"bucket": {"name": BUCKET}, "object": stored}}

    def take_in(self, events: list[dict[str, Any]]) -> None:
        with self.running("on_upload"):
            assert invoke("on_upload", {"Records": events})["enqueued"] == len(events)

    def work(self, worker: str) -> None:
        """Let the worker handle messages until there are none."""
        with self.running(worker) as sluice:
            if worker == "container":
                while deliveries := sluice.receiver.receive(limit=10, wait_seconds=0):
                    for delivery in deliveries:
                        sluice.message_handler.handle(delivery, threading.Event())
                return
            while event := self.stage.message():
                deployed.on_job(_Lambda(event))  # type: ignore[arg-type]
                with self.stage.cloud.as_operator() as session:
                    session.client("sqs").delete_message(
                        QueueUrl=self.stage.outputs["JobsQueueUrl"], ReceiptHandle=event["receipt"]
                    )

    def bury(self, body: str) -> None:
        for worker in ("on_job", "container"):
            with self.stage.cloud.as_operator() as session:
                session.client("sqs").send_message(
                    QueueUrl=self.stage.outputs["JobsQueueUrl"], MessageBody=body
                )
            self.work(worker)

    def lose(self, lost: str, late: str) -> None:
        """Let there be objects whose events were lost, an upload that never came, and old rejects files."""
        self.stage.put(self.key_of(lost), lines(1000))
        self.stage.put(f"drop/acme/d/{uuid4()}.csv", lines(1000))
        again = "UPDATE ingestion_jobs SET created_at = now() - interval '9 days', looked_at = NULL"
        self.stage.sql(f"{again}, uploaded_at = NULL, status = 'PENDING' WHERE id = %s", UUID(lost))
        self.stage.sql(
            f"{again}, status = 'PENDING', completed_at = NULL, upload_expires_at = now() - interval '2 days'"
            " WHERE id = %s",
            UUID(late),
        )
        self.stage.sql(
            "UPDATE ingestion_jobs SET completed_at = now() - interval '999 days', purged_at = NULL"
            " WHERE status = 'COMPLETED'"
        )

    def keep_rejects_file(self, job_id: str) -> None:
        """Let the job have a rejects file, also if one was removed before."""
        self.stage.put(f"rejects/acme/{job_id}/1-0/rejects.csv", b"a\n")
        self.stage.sql(
            "INSERT INTO rejects_files (job_id, reading_no) VALUES (%s, 1) ON CONFLICT DO NOTHING",
            UUID(job_id),
        )

    def remove_tenant(self) -> None:
        for prefix in ("uploads/gone/d", "drop/gone/d", "rejects/gone"):
            self.stage.put(f"{prefix}/{uuid4()}/f.csv", b"a\n1\n")
        with self.stage.cloud.as_operator() as session:
            session.client("s3").create_multipart_upload(Bucket=BUCKET, Key=f"uploads/gone/d/{uuid4()}/f.csv")
        self.stage.sql("UPDATE tenants SET removing_at = now(), suspended_at = now() WHERE name = 'gone'")

    def sweep(self, function: str) -> None:
        wanted = {"found", "adopted", "purged"}

        def all_done() -> bool:
            with self.running(function) as sluice:
                counts = invoke("on_schedule", TICK) if function == "on_schedule" else sluice.sweeper.sweep()
            wanted.difference_update(name for name, count in counts.items() if count)
            with self.stage.cloud.as_operator() as session:
                versions = session.client("s3").list_object_versions(Bucket=BUCKET)
            left = [it["Key"] for it in versions.get("Versions", []) if "/gone/" in it["Key"]]
            return not wanted and not left

        wait_for(all_done)


def test_a_function_is_not_refused_what_it_does(used: Mapping[str, set[Right]]) -> None:
    assert {name for name, rights in used.items() if not rights} == set()
    assert Right("s3:PutObject", f"{BUCKET}/uploads/") in used["api_handler"]  # by a presigned URL


Probe = Callable[[boto3.Session], object]


def probes(stage: Stage) -> dict[Right, Probe]:
    """Return a request for each right that may be had, and for some that none may have."""
    made: dict[Right, Probe] = {}
    for bucket in (BUCKET, FOREIGN):
        for prefix in PREFIXES:
            made |= _of_objects(bucket, f"{prefix}/x")
        made |= _of_bucket(bucket)
    for name in (JOBS, DEAD, EVENTS, FOREIGN_QUEUE):
        made |= _of_queue(name)
    for name, arn in {
        TOKENS: stage.outputs["UploadTokenSecretArn"],
        OWNER: stage.outputs["DatabaseSecretArn"],
        **{SECRETS[role]: stage.outputs[output] for role, output in ROLE_SECRETS.items()},
        "another-secret": stage.foreign,
    }.items():
        made |= _of_secret(name, arn)
    for group in (
        *GROUPS.values(),
        "/aws/lambda/sluice-prod",
        "/aws/lambda/sluice-dev2",
        "/sluice/dev/worker",
    ):
        made |= _of_logs(group)
    made[Right("s3:ListAllMyBuckets", "*")] = lambda it: it.client("s3").list_buckets()
    made[Right("secretsmanager:ListSecrets", "*")] = lambda it: it.client("secretsmanager").list_secrets()
    made[Right("iam:CreateUser", "*")] = lambda it: it.client("iam").create_user(UserName="x")
    made[Right("iam:ListRoles", "*")] = lambda it: it.client("iam").list_roles()
    return made


def _of_objects(bucket: str, key: str) -> dict[Right, Probe]:
    own: Any = {"Bucket": bucket, "Key": key}
    place = f"{bucket}/{key.partition('/')[0]}/"
    calls: dict[str, Callable[[Any], object]] = {
        "s3:GetObject": lambda s3: s3.get_object(**own),
        "s3:GetObjectVersion": lambda s3: s3.get_object(**own, VersionId="v"),
        "s3:PutObject": lambda s3: s3.put_object(**own, Body=b""),
        "s3:DeleteObject": lambda s3: s3.delete_object(**own),
        "s3:DeleteObjectVersion": lambda s3: s3.delete_object(**own, VersionId="v"),
        "s3:AbortMultipartUpload": lambda s3: s3.abort_multipart_upload(**own, UploadId="u"),
        "s3:ListMultipartUploadParts": lambda s3: s3.list_parts(**own, UploadId="u"),
        "s3:GetObjectTagging": lambda s3: s3.get_object_tagging(**own),
        "s3:PutObjectAcl": lambda s3: s3.put_object_acl(**own, ACL="private"),
    }
    return {Right(action, place): _with("s3", call) for action, call in calls.items()}


def _of_bucket(bucket: str) -> dict[Right, Probe]:
    calls: dict[str, Callable[[Any], object]] = {
        "s3:ListBucket": lambda s3: s3.list_objects_v2(Bucket=bucket),
        "s3:ListBucketVersions": lambda s3: s3.list_object_versions(Bucket=bucket),
        "s3:ListBucketMultipartUploads": lambda s3: s3.list_multipart_uploads(Bucket=bucket),
        "s3:GetBucketPolicy": lambda s3: s3.get_bucket_policy(Bucket=bucket),
        "s3:PutBucketPolicy": lambda s3: s3.put_bucket_policy(Bucket=bucket, Policy="{}"),
        "s3:PutBucketNotification": lambda s3: s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={}
        ),
        "s3:DeleteBucket": lambda s3: s3.delete_bucket(Bucket=bucket),
    }
    return {Right(action, bucket): _with("s3", call) for action, call in calls.items()}


def _of_queue(name: str) -> dict[Right, Probe]:
    own: Any = {"QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"}
    calls: dict[str, Callable[[Any], object]] = {
        "sqs:SendMessage": lambda sqs: sqs.send_message(**own, MessageBody="x"),
        "sqs:ReceiveMessage": lambda sqs: sqs.receive_message(**own),
        "sqs:DeleteMessage": lambda sqs: sqs.delete_message(**own, ReceiptHandle="x"),
        "sqs:ChangeMessageVisibility": lambda sqs: sqs.change_message_visibility(
            **own, ReceiptHandle="x", VisibilityTimeout=0
        ),
        "sqs:GetQueueAttributes": lambda sqs: sqs.get_queue_attributes(**own),
        "sqs:SetQueueAttributes": lambda sqs: sqs.set_queue_attributes(
            **own, Attributes={"DelaySeconds": "1"}
        ),
        "sqs:PurgeQueue": lambda sqs: sqs.purge_queue(**own),
        "sqs:DeleteQueue": lambda sqs: sqs.delete_queue(**own),
    }
    return {Right(action, name): _with("sqs", call) for action, call in calls.items()}


def _of_secret(name: str, arn: str) -> dict[Right, Probe]:
    calls: dict[str, Callable[[Any], object]] = {
        "secretsmanager:GetSecretValue": lambda it: it.get_secret_value(SecretId=arn),
        "secretsmanager:PutSecretValue": lambda it: it.put_secret_value(SecretId=arn, SecretString="x"),
        "secretsmanager:DeleteSecret": lambda it: it.delete_secret(SecretId=arn),
    }
    place = arn.rpartition(":")[2]
    assert place.startswith(name)
    return {Right(action, place): _with("secretsmanager", call) for action, call in calls.items()}


def _of_logs(group: str) -> dict[Right, Probe]:
    stream = {"logGroupName": group, "logStreamName": "s"}
    calls: dict[str, Callable[[Any], object]] = {
        "logs:CreateLogGroup": lambda logs: logs.create_log_group(logGroupName=group),
        "logs:CreateLogStream": lambda logs: logs.create_log_stream(**stream),
        "logs:PutLogEvents": lambda logs: logs.put_log_events(
            **stream, logEvents=[{"timestamp": 1, "message": "x"}]
        ),
        "logs:GetLogEvents": lambda logs: logs.get_log_events(**stream),
    }
    return {Right(action, group): _with("logs", call) for action, call in calls.items()}


def _with(service: str, call: Callable[[Any], object]) -> Probe:
    return lambda session: call(session.client(service, region_name=REGION))  # type: ignore[call-overload]


@pytest.mark.parametrize("function", [*FUNCTIONS, "container"])
def test_a_function_has_the_rights_that_it_uses_and_no_others(
    stage: Stage, used: Mapping[str, set[Right]], function: str
) -> None:
    alike = ("on_job", "on_schedule") if function == "container" else (function,)  # a container does both
    expected = {right for name in alike for right in used[name] | BESIDE[name].keys()}
    if function == "container":  # with the worker's login
        expected = {it for it in expected if it.action != READ or it in used[function]}
    expected |= logs_of(function) if function in FUNCTIONS else set()
    tried = probes(stage)
    assert expected <= tried.keys()
    allowed = set()
    with stage.cloud.as_role(function) as asked:
        session = boto3.Session()
        for right, probe in tried.items():
            asked.clear()
            stage.cloud.denied.clear()
            with suppress(ClientError):
                probe(session)
            assert asked == {right}
            if not stage.cloud.denied:
                allowed.add(right)
    assert allowed == expected
    assert used[function] <= expected
    assert all(BESIDE[name].keys().isdisjoint(used[name]) for name in alike)  # each exception is one


def test_every_right_of_a_policy_is_tried(stage: Stage) -> None:
    known = {right.action for right in probes(stage)}
    others = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # moto has no resources for them
    for policy in (*fill_policies(STAGE, stage.outputs).values(), task_policy(stage.outputs, "OnSqs")):
        for statement in policy["Statement"]:
            actions = statement["Action"]
            assert set([actions] if isinstance(actions, str) else actions) <= known | others
