import threading

from chalicelib.service.alarm import Alarm
from tests.support.waiting import wait_for


def test_calls_are_made_in_the_order_in_which_they_are_due() -> None:
    alarm, made = Alarm(), list[str]()
    alarm.after(0.06, lambda: made.append("later"))
    alarm.after(0.02, lambda: made.append("sooner"))
    wait_for(lambda: len(made) == 2)
    assert made == ["sooner", "later"]


def test_a_canceled_call_is_not_made() -> None:
    alarm, made = Alarm(), list[str]()

    def cancel_one() -> None:  # in the thread that makes the calls: none is made meanwhile
        alarm.cancel(alarm.after(0, lambda: made.append("canceled")))
        alarm.after(0, lambda: made.append("made"))

    alarm.after(0, cancel_one)
    wait_for(lambda: bool(made))
    assert made == ["made"]


def fail() -> None:
    raise RuntimeError("bug")


def test_one_thread_makes_all_calls_even_after_one_has_failed() -> None:
    alarm, threads = Alarm(), list[threading.Thread]()
    alarm.after(0, lambda: threads.append(threading.current_thread()))
    alarm.after(0, fail)
    wait_for(lambda: bool(threads))
    alarm.after(0, lambda: threads.append(threading.current_thread()))
    wait_for(lambda: len(threads) == 2)
    assert threads[0] is threads[1]


def test_canceling_a_call_that_was_made_changes_nothing() -> None:
    alarm, made = Alarm(), list[str]()
    call = alarm.after(0, lambda: made.append("made"))
    wait_for(lambda: bool(made))
    alarm.cancel(call)
    assert made == ["made"]
