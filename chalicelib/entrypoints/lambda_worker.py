"""The Lambda worker: one invocation handles one message, for as long as the invocation may run.

It works as the container does (:mod:`chalicelib.entrypoints.worker`), except in two ways. Lambda receives the
messages, and removes one unless the invocation raises. And an invocation ends: some time before that, the job
stops between two blocks and is requeued, so that the next invocation continues where the ledger ends.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chalicelib.core.messages import Delivery
from chalicelib.service.message_handler import MessageHandler, Outcome


class LambdaReceiver(Protocol):
    """The queue, for messages that Lambda has received."""

    def delivery_of(self, record: Mapping[str, Any]) -> Delivery | None:
        """Return the delivery in a record of Lambda's event; None if the message went to the dead letters."""

    def extend(self, delivery: Delivery) -> None:
        """Restart the visibility timeout. Raises RetryLater."""


class MessageKept(Exception):  # noqa: N818 - named for the effect on the message
    """The invocation fails, so that the message is redelivered."""


def handle_invocation(
    event: Mapping[str, Any],
    receiver: LambdaReceiver,
    new_handler: Callable[[], MessageHandler],
    *,
    seconds: float,
) -> None:
    """Handle the one message in the SQS event, within ``seconds``. Raises MessageKept, RetryLater.

    ``new_handler`` makes a handler for ``receiver``.
    """
    (record,) = event["Records"]
    delivery = receiver.delivery_of(record)
    if delivery is None:
        return
    # The queue's own visibility timeout is longer than any invocation. If this invocation is killed, the
    # message should be redelivered sooner.
    receiver.extend(delivery)
    handler = new_handler()
    stop = threading.Event()
    timer = threading.Timer(max(0.0, seconds), stop.set)
    timer.daemon = True
    timer.start()
    try:
        if handler.handle(delivery, stop) is Outcome.KEPT:
            raise MessageKept(f"job {delivery.job_id} has not ended: the message is kept")
    finally:
        timer.cancel()
