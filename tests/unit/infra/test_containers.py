"""The Dockerfile and the compose file, as far as they can be checked without a Docker engine."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chalicelib import settings
from infra.compose import deploy
from infra.emulator import resources
from infra.emulator.environment import CREDENTIALS, REGION
from infra.local.worker import MALLOC
from infra.steps.errors import StepError
from tests.support.container_files import VARIABLE, command_of, compose, instructions, is_sent, targets
from tests.support.paths import CHECKOUT

BIN = Path(sys.executable).parent
HADOLINT = shutil.which("hadolint", path=str(BIN))
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
COMPOSE = (CHECKOUT / "docker-compose.yml").read_text()
OPERATIONS = (CHECKOUT / "docs" / "explanation" / "how-it-runs.md").read_text()
CONTAINERS = (CHECKOUT / "docs" / "how-to" / "run-in-containers.md").read_text()
OURS = ("migrate", "deploy", "worker")


def service(name: str, **env: str) -> dict[str, Any]:
    found: dict[str, Any] = compose(env)["services"][name]
    return found


def files_of(copied: str) -> list[str]:
    """Return the files that a COPY of this path copies, relative to the checkout, without bytecode."""
    path = CHECKOUT / copied
    found = [path] if path.is_file() else [it for it in path.rglob("*") if it.is_file()]
    return [str(it.relative_to(CHECKOUT)) for it in found if "__pycache__" not in it.parts]


def test_the_compose_file_is_valid() -> None:
    argv: list[str | Path] = [
        BIN / "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        CHECKOUT / "docker-compose.yml",
    ]
    told = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is for Linux on x86-64")
def test_hadolint_finds_nothing() -> None:
    assert HADOLINT is not None
    told = subprocess.run([HADOLINT, CHECKOUT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")
    assert "hadolint ignore" not in DOCKERFILE


def test_images_have_the_tested_versions() -> None:
    pinned = (CHECKOUT / "infra/local/requirements-localstack.in").read_text()
    version = re.search(r"localstack-core\[runtime\]==([\d.]+)", pinned)
    assert version is not None
    assert service("localstack")["image"] == f"localstack/localstack:{version[1]}"
    assert service("postgres")["image"].startswith(f"postgres:{postgres_major()}-")
    assert "Redis 6.2 or newer" in OPERATIONS
    assert service("redis")["image"].startswith("redis:7-")
    for target in targets().values():
        assert target.image == "python:3.12-slim-bookworm"


def postgres_major() -> str:
    from infra.local.postgres import binary

    told = subprocess.run([binary("postgres"), "--version"], capture_output=True, text=True, check=True)
    return told.stdout.split()[-1].split(".")[0]


@pytest.mark.parametrize("name", OURS)
def test_containers_get_existing_settings(name: str) -> None:
    env = service(name)["environment"]
    source = Path(settings.__file__).read_text()
    of_the_sdk = {*CREDENTIALS, "AWS_DEFAULT_REGION"}
    assert [it for it in env if f'"{it}"' not in source and it not in of_the_sdk] == []
    assert {it: env[it] for it in of_the_sdk} == {**CREDENTIALS, "AWS_DEFAULT_REGION": REGION}
    loaded = settings.load(env)
    assert (loaded.bucket, loaded.queue_backend) == (resources.BUCKET, "sqs")
    assert loaded.queue_url == f"http://localstack:4566/queue/{REGION}/000000000000/{resources.QUEUE}"
    assert loaded.dead_letter_queue_url == loaded.queue_url.replace(resources.QUEUE, resources.DEAD_LETTERS)
    redis = settings.load(service(name, SLUICE_QUEUE_BACKEND="redis")["environment"])
    assert (redis.queue_backend, redis.redis_url) == ("redis", "redis://:local-only@redis:6379/0")


def test_containers_share_settings_and_hosts() -> None:
    assert service("worker")["environment"] == service("migrate")["environment"]
    # Only the API makes and takes upload tokens, and answers pages.
    chosen = {"SLUICE_TOKEN_SECRETS": "s" * 32, "SLUICE_ALLOWED_ORIGINS": "http://localhost:8000"}
    deployed = dict(service("deploy", **chosen)["environment"])
    assert {name: deployed.pop(name) for name in chosen} == chosen
    assert service("worker", **chosen)["environment"] == deployed
    names = set(compose()["services"])
    hosts = re.findall(r"[/@](\w+):\d+", str(service("worker")["environment"]))
    assert {host for host in hosts if host != "localhost"} < names
    networks = compose()["networks"]["default"]
    assert networks["name"] == service("localstack")["environment"]["LAMBDA_DOCKER_NETWORK"]
    changed = service("worker", POSTGRES_PASSWORD="changed")["environment"]["DATABASE_URL"]
    assert changed == "postgresql://sluice:changed@postgres:5432/sluice"
    assert service("postgres", POSTGRES_PASSWORD="changed")["environment"]["POSTGRES_PASSWORD"] == "changed"
    worker = service("worker", REDIS_PASSWORD="changed")["environment"]["REDIS_URL"]
    assert worker == "redis://:changed@redis:6379/0"
    redis = service("redis", REDIS_PASSWORD="changed")
    assert redis["command"][-2:] == ["--requirepass", "changed"]
    assert redis["environment"]["REDISCLI_AUTH"] == "changed"


def test_ports_are_published_on_the_loopback_interface_and_upload_urls_use_them() -> None:
    ports = [port for it in compose()["services"].values() for port in it.get("ports", [])]
    assert ports == ["127.0.0.1:5432:5432", "127.0.0.1:6379:6379", "127.0.0.1:4566:4566"]
    moved = compose({"LOCALSTACK_PORT": "5000"})["services"]
    assert moved["localstack"]["ports"] == ["127.0.0.1:5000:4566"]
    assert moved["deploy"]["environment"]["S3_PUBLIC_ENDPOINT_URL"] == "http://localhost:5000"


def test_every_variable_is_documented() -> None:
    variables = {name for name, _ in VARIABLE.findall(COMPOSE)}
    assert "POSTGRES_PASSWORD" in variables
    for name in variables:
        assert f"`{name}`" in CONTAINERS, name
        assert name in COMPOSE.partition("name: sluice")[0], name
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) == variables


@pytest.mark.parametrize("name", ["worker", "deploy", "install-worker", "install-deploy"])
def test_copied_files_exist_and_are_sent(name: str) -> None:
    copied = targets()[name].copied
    assert copied
    for source in copied:
        files = files_of(source)
        assert files, source
        built = (".chalice/deployed/", ".chalice/deployments/")
        assert [it for it in files if not is_sent(it) and not it.startswith(built)] == []


def test_no_other_file_is_sent() -> None:
    sources = [source for target in targets().values() for source in target.copied]
    for path in (".local/env", ".git/config", ".env", "tests/conftest.py", "chalicelib/__pycache__/x.pyc"):
        assert not is_sent(path), path
    assert not is_sent(".chalice/deployed/local.json")
    sent = [path.name for path in CHECKOUT.iterdir() if is_sent(path.name)]
    assert sorted(sent) == sorted({source.rstrip("/") for source in sources})


def test_the_worker_image_contains_only_the_service_and_its_requirements() -> None:
    assert targets()["worker"].copied == ["chalicelib/"]
    install = " ".join(targets()["install-worker"].runs)
    assert "--require-hashes --no-deps --only-binary :all: -r requirements-worker.txt" in install
    assert list(targets())[-1] == "worker"  # what `docker build .` makes


@pytest.mark.parametrize("name", OURS)
def test_commands_are_existing_modules(name: str) -> None:
    told = service(name)
    command = told.get("command") or command_of(targets()[told["build"]["target"]].settings["CMD"])
    python, flag, module = command
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None
    file = f"{module.replace('.', '/')}.py"
    assert any(file.startswith(source) for source in targets()[told["build"]["target"]].copied)


def test_the_health_check_is_the_documented_one() -> None:
    said = targets()["worker"].settings["HEALTHCHECK"]
    shell, flag, script = command_of(said)
    assert (shell, flag) == ("sh", "-c")
    assert f"\n```sh\n{script}\n```\n" in OPERATIONS
    assert "SLUICE_HEALTH_FILE" in targets()["worker"].env
    assert "healthcheck" not in service("worker")
    assert service("migrate")["healthcheck"] == {"disable": True}


def test_the_worker_image_sets_malloc_as_the_stack_does() -> None:
    assert targets()["worker"].env.items() >= MALLOC.items()


def test_the_worker_runs_unprivileged_and_has_time_to_stop() -> None:
    for name in ("worker", "migrate"):
        told = service(name)
        assert told["read_only"] is True
        assert told["cap_drop"] == ["ALL"]
        assert told["security_opt"] == ["no-new-privileges:true"]
        (folder,) = told["tmpfs"]
        assert Path(targets()["worker"].env["SLUICE_HEALTH_FILE"]).is_relative_to(folder)
    for name in ("worker", "deploy"):
        user, group = map(int, targets()[name].settings["USER"].split(":"))
        assert min(user, group) > 0
    assert targets()["worker"].settings["STOPSIGNAL"] == "SIGTERM"
    assert int(service("worker")["stop_grace_period"].removesuffix("s")) > settings.load({}).grace_seconds


def test_services_wait_for_those_they_need() -> None:
    needs = {name: set(service(name).get("depends_on", {})) for name in compose()["services"]}
    assert needs["migrate"] == {"postgres"}
    assert needs["deploy"] == {"localstack", "migrate", "redis"}
    assert needs["worker"] == {"migrate", "deploy", "redis"}
    assert service("redis")["profiles"] == ["redis"]
    for name in OURS:
        waits = service(name)["depends_on"]
        for other, wait in waits.items():
            one_shot = other in OURS
            wanted = "service_completed_successfully" if one_shot else "service_healthy"
            assert wait["condition"] == wanted
            assert one_shot or "healthcheck" in service(other)
        assert waits.get("redis", {"required": False})["required"] is False
        assert not (set(waits) - {"redis"}) & {it for it in waits if "profiles" in service(it)}


def test_resources_other_than_the_workers_are_an_error() -> None:
    env = service("deploy")["environment"]
    queues = env["SLUICE_QUEUE_URL"], env["SLUICE_DEAD_LETTER_QUEUE_URL"]
    deploy.check(env, resources.Resources(env["SLUICE_BUCKET"], *queues))
    with pytest.raises(StepError, match="SLUICE_QUEUE_URL is http://localstack"):
        deploy.check(env, resources.Resources(env["SLUICE_BUCKET"], "http://elsewhere", queues[1]))


@pytest.mark.parametrize(
    ("path", "sent"),
    [("a", False), ("b", True), ("b/c", True), ("b/d", False), ("b/d/e", False), ("b/x.pyc", False)],
)
def test_the_last_line_of_a_dockerignore_decides(path: str, sent: bool) -> None:
    assert is_sent(path, "# all\n*\n!b\nb/d\n**/*.pyc\n") is sent


def test_continued_instructions_are_joined() -> None:
    text = "# x\nRUN a \\\n    && b\n\nENV A=1 \\\n# y\n    B=2\n"
    assert list(instructions(text)) == [("RUN", "a && b"), ("ENV", "A=1 B=2")]
