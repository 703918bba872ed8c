"""The points of death that tests of faults name exist: those tests are slow to notice a renamed method."""

import re

from chalicelib.backends.redis_streams import RedisReceiver, RedisSender
from chalicelib.backends.sqs import SqsReceiver, SqsSender
from tests.support.faults.dying_worker import TARGETS
from tests.support.paths import CHECKOUT

POINT = re.compile(r'"(?P<target>[a-z]+)\.(?P<method>\w+) (?:before|after) [0-9]')
QUEUES = {"sender": (SqsSender, RedisSender), "receiver": (SqsReceiver, RedisReceiver)}


def test_every_point_of_death_is_a_method() -> None:
    text = "".join(path.read_text("utf-8") for path in (CHECKOUT / "tests" / "faults").glob("*.py"))
    points = {(match["target"], match["method"]) for match in POINT.finditer(text)}
    assert len(points) > 10
    for target, method in points:
        for owner in QUEUES.get(target) or (TARGETS[target],):
            assert hasattr(owner, method), f"{target}.{method}"
