"""One invocation of the Lambda worker: a message that Lambda took off the queue, and the time it has.

It works as the container does (:mod:`chalicelib.entrypoints.worker`), but for two things. Lambda hands out
the messages, and removes one unless the invocation raises. And it ends: a while before that the job stops between two
blocks and goes back on the queue, so that the next invocation goes on where the ledger ends.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.service.message_handler import consume
from chalicelib.wiring import Services


class MessageKept(Exception):  # noqa: N818 - what it tells Lambda
    """The message is to be handed out again."""


def work(services: Services, event: Mapping[str, Any], remaining_seconds: float) -> None:
    """Works on the one message in the SQS event for as long as ``remaining_seconds`` allow.

    Raises MessageKept, RetryLater.
    """
    (record,) = event["Records"]
    receiver = services.sqs_receiver
    delivery = receiver.taken(record)
    if delivery is None:
        return
    # The queue's own visibility timeout is longer than any invocation. Should this one be killed, the
    # message is to be handed out sooner.
    receiver.extend(delivery)
    # An invocation that does not get one block further is an attempt in vain, else it would go on for ever.
    consumer = replace(services.consumer, receiver=receiver, stops_count=True)
    stop = threading.Event()
    time_is_up = threading.Timer(max(0.0, remaining_seconds - services.settings.grace_seconds), stop.set)
    time_is_up.daemon = True
    time_is_up.start()
    try:
        if not consume(consumer, delivery, stop):
            raise MessageKept(f"job {delivery.job_id} is to be looked at again")
    finally:
        time_is_up.cancel()
