"""The life of a job: which action leads from which statuses to which. Everything that moves a job asks here.

`docs/http-api.md` shows this table; a test holds the two equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.model import Status


class Action(StrEnum):
    """What can happen to a job."""

    CLAIM = "claim"  # a worker takes it, for the first time or again
    COMPLETE = "complete"  # every record is accounted for
    FAIL = "fail"  # it cannot be loaded as it is
    EXPIRE = "expire"  # the upload never came
    CANCEL = "cancel"
    RETRY = "retry"
    UNDO = "undo"
    FINISH_UNDO = "finish-undo"  # all rows that it alone brought are gone


@dataclass(frozen=True)
class Transition:
    """``before``: the statuses in which the action is possible; ``after``: the one it leads to."""

    before: frozenset[Status]
    after: Status


TRANSITIONS: Mapping[Action, Transition] = {
    Action.CLAIM: Transition(frozenset({Status.PENDING, Status.PROCESSING}), Status.PROCESSING),
    Action.COMPLETE: Transition(frozenset({Status.PROCESSING}), Status.COMPLETED),
    Action.FAIL: Transition(frozenset({Status.PROCESSING}), Status.FAILED),
    Action.EXPIRE: Transition(frozenset({Status.PENDING}), Status.EXPIRED),
    Action.CANCEL: Transition(frozenset({Status.PENDING, Status.PROCESSING}), Status.CANCELED),
    Action.RETRY: Transition(frozenset({Status.FAILED, Status.CANCELED}), Status.PENDING),
    Action.UNDO: Transition(frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED}), Status.UNDOING),
    Action.FINISH_UNDO: Transition(frozenset({Status.UNDOING}), Status.UNDONE),
}


def possible(status: Status) -> frozenset[Action]:
    """The actions that a job in ``status`` allows."""
    return frozenset(action for action, it in TRANSITIONS.items() if status in it.before)
