"""Pages take turns, give theirs away while they wait, and wait for none that hangs."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from esmviz.ui.turns import Turns

LONG = 30.0


def run(function, n):
    """The function in so many threads at once."""
    with ThreadPoolExecutor(n) as pool:
        return [done.result(LONG) for done in [pool.submit(function) for _ in range(n)]]


def test_no_more_than_so_many_draw_at_once():
    turns, lock, now, most = Turns(2, LONG), threading.Lock(), 0, 0

    def draw():
        nonlocal now, most
        with turns.drawing():
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1

    run(draw, 12)
    assert most == 2


def test_who_waits_lets_another_draw_and_comes_back():
    turns, is_done = Turns(1, LONG), threading.Event()

    def first():
        with turns.drawing():
            with turns.waiting():
                assert is_done.wait(LONG)
            assert turns._n_free == 0

    def second():
        with turns.drawing():
            is_done.set()

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(first)
        pool.submit(second).result(LONG)
        waiting.result(LONG)
    assert turns._n_free == 1


def test_a_page_that_fails_gives_its_turn_back():
    turns = Turns(1, LONG)
    for _ in range(3):
        with pytest.raises(RuntimeError), turns.drawing():
            raise RuntimeError
        with pytest.raises(RuntimeError), turns.drawing(), turns.waiting():
            raise RuntimeError
    assert turns._n_free == 1


def test_a_page_that_hangs_holds_up_nobody_for_good():
    turns, may_end = Turns(1, 0.05), threading.Event()

    def hang():
        with turns.drawing():
            may_end.wait(LONG)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(hang)
        with turns.drawing(), turns.waiting():
            pass  # without a turn of its own there is none to give back
        may_end.set()
        hanging.result(LONG)
    assert turns._n_free == 1


def test_who_has_no_turn_waits_as_anybody():
    turns = Turns(1, LONG)
    with turns.waiting():
        assert turns._n_free == 1


def test_first_come_first_served():
    turns, order, lines = Turns(1, LONG), [], []

    def draw(number):
        with turns.drawing():
            order.append(number)

    with turns.drawing(), ThreadPoolExecutor(5) as pool:
        for number in range(5):
            lines.append(pool.submit(draw, number))
            while len(turns._line) <= number:
                time.sleep(0.001)
        with turns.waiting():
            for line in lines:
                line.result(LONG)
        order.append("the first again")
    assert order == [0, 1, 2, 3, 4, "the first again"]
