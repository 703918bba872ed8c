"""What the tests share: the embedded stack, and a fresh database for each test that wants one."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import settings
from localstack_client.session import Session
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from chalicelib.backends.postgres.migrate import migrate
from infra.local import scratch
from infra.local import stack as local_stack
from tests.support import databases, deployed_service
from tests.support.examples import many
from tests.support.pages import served
from tests.support.paths import CHECKOUT

# No test is a matter of time; in CI every run draws the same examples.
settings.register_profile("sluice", max_examples=many(100), deadline=None, derandomize="CI" in os.environ)
settings.load_profile("sluice")

# To run pytest twice at once, give each run a folder for its stacks. Each process of a run
# has a stack.
ROOT = Path(os.environ.get("SLUICE_TEST_ROOT") or CHECKOUT / ".local" / "test") / os.environ.get(
    "PYTEST_XDIST_WORKER", ""
)
# The scopes of the folders of tests. Of the modules below `unit`, any process may take any.
SCOPES = {"e2e": "e2e", "integration": "services", "contract": "services", "faults": "faults", "unit": ""}
# The order in which they begin: what takes long comes first.
ORDER = ("e2e", "integration", "contract", "faults", "unit/service", "unit/formats", "unit")


class ByStack(LoadScopeScheduling):
    """Hands out tests to several processes: those that share a stack go to one, one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return SCOPES[Path(file).parts[1]] or file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests, so that no process is left with much when another one has nothing more to do."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(CHECKOUT / "tests")
    return next(turn for turn, begun in enumerate(ORDER) if folder.is_relative_to(begun))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByStack:
    """Schedule tests as `make test` needs it. xdist's own groups have no effect with this pytest."""
    return ByStack(config, log)


@pytest.fixture(scope="session")
def services() -> Iterator[Mapping[str, str]]:
    """Yield the addresses of the tests' own Postgres, Redis and LocalStack, as environment variables."""
    env = local_stack.up(ROOT, components=local_stack.SERVICES)
    databases.do_not_wait_for_the_disk(ROOT)
    added = {name: value for name, value in env.items() if name.startswith("AWS_")}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)  # boto3's credentials and region
    yield env
    local_stack.down(ROOT)
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def stack_root(services: Mapping[str, str]) -> Path:
    """Return the folder of the tests' stack."""
    assert services
    return ROOT


@pytest.fixture(scope="session")
def stack(services: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Yield the addresses of the whole stack: services, deployed application and worker.

    It allows the pages of an example, which are served as long as it is there.
    """
    assert services
    with served(CHECKOUT / "docs" / "how-to" / "upload-from-a-browser") as port:
        env = local_stack.up(ROOT, origins=[f"http://localhost:{port}"])
        deployed_service.OPERATOR_KEY.key = env["SLUICE_API_KEY"]
        yield {**env, "SLUICE_TEST_ROOT": str(ROOT)}


@pytest.fixture(scope="session")
def aws(services: Mapping[str, str]) -> Session:
    """Return a session that makes boto3 clients for the tests' LocalStack."""
    return Session(localstack_host=services["AWS_ENDPOINT_URL"].split("//")[1].split(":")[0])


@pytest.fixture(scope="session")
def template_database(services: Mapping[str, str]) -> Iterator[str]:
    """Yield the name of a migrated database to copy."""
    with scratch.database(services["DATABASE_URL"]) as url:
        migrate(url)
        yield url.rpartition("/")[2]


@pytest.fixture
def database_url(services: Mapping[str, str], template_database: str) -> Iterator[str]:
    """Yield the address of a fresh, migrated database."""
    with scratch.database(services["DATABASE_URL"], template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(services: Mapping[str, str]) -> Iterator[str]:
    """Yield the address of an empty database."""
    with scratch.database(services["DATABASE_URL"]) as url:
        yield url
