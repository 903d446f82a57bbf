"""Processor time of one visitor within a window of time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from limits import RateLimitItem

from esmviz.errors import QuotaError
from esmviz.ui.rates import Rates

T = TypeVar("T")


@dataclass(frozen=True)
class Meter:
    """Seconds of the processor against each of ``bills``: a window, and who pays. Without bills nothing is counted."""

    rates: Rates
    bills: tuple[tuple[RateLimitItem, str], ...]

    def refusal(self) -> str:
        """Why nothing is made now, and when to come back; ``""`` while there is time left."""
        for item, who in self.bills:
            if not self.rates.allows(item, who):
                minutes = max(1, math.ceil(self.rates.seconds_left(item, who) / 60))
                return (
                    f"Files took {item.amount:,} seconds of the processor within {item.get_expiry() // 60} minutes, "
                    f"the most that this server gives. Come back in {minutes} minute{'s' * (minutes > 1)}."
                )
        return ""

    def charged(self, make: Callable[[], T]) -> T:
        """The result of ``make``, its time counted: a second at once, so that many at a time count, the rest behind.

        Raises
        ------
        QuotaError
            There is no time left.
        """
        self._admit()
        self._count(1)
        began = time.thread_time()
        try:
            return make()
        finally:
            self._count(int(time.thread_time() - began))

    def read(self, make: Callable[[], T]) -> T:
        """The same for what a visitor brings: most files are read in no time, which then costs nothing.

        Raises
        ------
        QuotaError
            There is no time left.
        """
        self._admit()
        began = time.thread_time()
        try:
            return make()
        finally:
            self._count(int(time.thread_time() - began + 0.75))  # from a quarter of a second on

    def _admit(self) -> None:
        if refusal := self.refusal():
            raise QuotaError(refusal)

    def _count(self, seconds: int) -> None:
        for item, who in self.bills:
            if seconds:
                self.rates.count(item, who, seconds)
