"""The life of a job: a table of the actions and of the statuses that they lead from and to.

`docs/reference/http-api.md` shows this table; a test holds the two equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chalicelib.core.errors import NotPossible
from chalicelib.core.model import Status


class Action(StrEnum):
    """An action on a job, by a worker or a client."""

    CLAIM = "claim"  # by a worker, for the first time or again
    COMPLETE = "complete"  # every record is accounted for
    FAIL = "fail"  # its file cannot be loaded
    PREVIEW = "preview"  # the preview that was asked for is made
    LOAD = "load"  # go on after a preview
    EXPIRE = "expire"  # the upload never arrived, or no client loaded the job after its preview
    CANCEL = "cancel"
    RETRY = "retry"  # go on, or read the file if nothing of it is loaded
    REREAD = "reread"  # retry a job that has loaded something, with other options: undo it first
    UNDO = "undo"
    FINISH_UNDO = "finish-undo"  # all rows that only this job brought are removed
    START_OVER = "start-over"  # the same, and its file is to be read again
    ROLL_BACK = "roll-back"  # its file cannot be loaded, and what it has loaded is undone first
    FINISH_ROLLBACK = "finish-rollback"  # the rows are removed


@dataclass(frozen=True)
class Transition:
    """``before``: the statuses in which the action is possible; ``after``: the one it leads to."""

    before: frozenset[Status]
    after: Status


TRANSITIONS: Mapping[Action, Transition] = {
    Action.CLAIM: Transition(frozenset({Status.PENDING, Status.PROCESSING}), Status.PROCESSING),
    Action.COMPLETE: Transition(frozenset({Status.PROCESSING}), Status.COMPLETED),
    Action.FAIL: Transition(frozenset({Status.PROCESSING}), Status.FAILED),
    Action.PREVIEW: Transition(frozenset({Status.PROCESSING}), Status.PREVIEWED),
    Action.LOAD: Transition(frozenset({Status.PREVIEWED}), Status.PENDING),
    Action.EXPIRE: Transition(frozenset({Status.PENDING, Status.PREVIEWED}), Status.EXPIRED),
    Action.CANCEL: Transition(
        frozenset({Status.PENDING, Status.PROCESSING, Status.PREVIEWED}), Status.CANCELED
    ),
    Action.RETRY: Transition(
        frozenset({Status.PREVIEWED, Status.FAILED, Status.CANCELED, Status.UNDONE}), Status.PENDING
    ),
    Action.REREAD: Transition(frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED}), Status.UNDOING),
    Action.UNDO: Transition(frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED}), Status.UNDOING),
    Action.FINISH_UNDO: Transition(frozenset({Status.UNDOING}), Status.UNDONE),
    Action.START_OVER: Transition(frozenset({Status.UNDOING}), Status.PENDING),
    Action.ROLL_BACK: Transition(frozenset({Status.PROCESSING}), Status.UNDOING),
    Action.FINISH_ROLLBACK: Transition(frozenset({Status.UNDOING}), Status.FAILED),
}


def possible(status: Status) -> frozenset[Action]:
    """Return the actions that a job in ``status`` allows."""
    return frozenset(action for action, transition in TRANSITIONS.items() if status in transition.before)


def check(status: Status, action: Action, *alternatives: Action) -> None:
    """Raise NotPossible if a job in ``status`` allows neither the action nor one of the alternatives."""
    allowed = possible(status)
    if allowed.isdisjoint({action, *alternatives}):
        without = " without options" if action is Action.RETRY and Action.REREAD in allowed else ""
        raise NotPossible(f"A job that is {status} allows no {action}{without}.")
