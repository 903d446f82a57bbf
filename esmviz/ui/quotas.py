"""How much one visitor may ask of the models, by browser and by address, where others could come in too."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import streamlit as st
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute

from esmviz.addresses import LOCAL, came_from, household, is_loopback, networks
from esmviz.errors import QuotaError
from esmviz.jobs import Grant, Queue
from esmviz.settings import Settings
from esmviz.ui import access
from esmviz.ui.meter import Meter
from esmviz.ui.monitoring import PROXIED
from esmviz.ui.rates import Rates

log = logging.getLogger("esmviz")


class Quotas:
    """What the visitors of a server have asked for lately. The queue asks it, in the script of the visitor's page."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rates = Rates()
        self._sharing = threading.Lock()
        self._others_came = False

    def admit(self, queue: Queue, visitor: str, n_residues: int) -> Grant:
        """What a new computation may have. Residues that are not computed, since it is cancelled, come back.

        Raises
        ------
        QuotaError
            It is too much, or too soon; says when to come back. Nothing is counted then.
        """
        if self._is_alone():
            return Grant()
        s = self._settings
        owner = (
            visitor.partition("/")[0] or visitor
        )  # a browser with all its tabs; one without cookies has one
        if queue.n_under_way(owner) >= s.jobs_per_visitor:
            raise QuotaError(
                f"{s.jobs_per_visitor} of your computations wait or run already.",
                "Come back when one is done, or cancel one.",
            )
        if queue.n_under_way() >= s.max_jobs:
            raise QuotaError(
                f"{s.max_jobs} computations wait or run on this server.", "Come back in 5 minutes."
            )
        return Grant(60 * s.job_minutes, self._charge(owner, n_residues))

    def admit_snapshot(self, n_bytes: int) -> Callable[[], None]:
        """Count what an address shares: with a new cookie each time, one visitor would fill the store for all.

        Returns what takes the count back where nothing was kept after all.

        Raises
        ------
        QuotaError
            It is too much for a day; says when to come back.
        """
        if self._is_alone():
            return lambda: None
        s = self._settings
        item, at = RateLimitItemPerDay(max(s.snapshot_mb, s.snapshot_total_mb // 10) << 20), address(s)
        with self._sharing:  # or two at once would both find room for one
            if self._rates.allows(item, at, n_bytes):
                return partial(self._rates.counted(item, at, n_bytes), 1.0)
            hours = max(1, math.ceil(self._rates.seconds_left(item, at) / 3600))
        raise QuotaError(
            f"Your network has shared nearly {item.amount >> 20:,} MB within a day, the most that this server keeps.",
            f"Come back in {hours} hour" + "s" * (hours > 1) + ".",
        )

    def meter(self, visitor: str) -> Meter:
        """What the visitor of this script run may still have of the processor for files."""
        s = self._settings
        if self._is_alone():
            return Meter(self._rates, ())
        owner = visitor.partition("/")[0] or visitor
        shares = ((owner, 1), (address(s), s.visitors_per_address))
        return Meter(
            self._rates,
            tuple(
                (RateLimitItemPerMinute(s.file_seconds * share, 10), f"files {who}") for who, share in shares
            ),
        )

    def _charge(self, owner: str, n_residues: int) -> Callable[[float], None]:
        s, at = self._settings, address(self._settings)
        bills: list[tuple[RateLimitItem, str, int, str]] = []
        for who, name, share in ((owner, "You have", 1), (at, "Your network has", s.visitors_per_address)):
            each, per_hour = s.requests_per_minute * share, s.residues_per_hour * share
            bills += [
                (
                    RateLimitItemPerMinute(each),
                    who,
                    1,
                    f"{name} asked for {each:,} computations within a minute",
                ),
                (
                    RateLimitItemPerHour(per_hour),
                    who,
                    n_residues,
                    f"{name} had nearly {per_hour:,} residues computed within an hour",
                ),
            ]
        for item, who, cost, words in bills:
            self._check(item, who, cost, words)
        counted = [self._rates.counted(item, who, cost) for item, who, cost, _ in bills]

        def give_back(share: float) -> None:
            for bill in counted[1::2]:  # those of residues; it was asked all the same
                bill(share)

        return give_back

    def _check(self, item: RateLimitItem, who: str, cost: int, words: str) -> None:
        if cost > item.amount:
            raise QuotaError(
                f"This takes {cost:,} residues through the model; within an hour this server does {item.amount:,} for a "
                "visitor.",
                "Ask for less at a time, or run esmviz on a machine of your own.",
            )
        if not self._rates.allows(item, who, cost):
            minutes = max(1, math.ceil(self._rates.seconds_left(item, who) / 60))
            raise QuotaError(
                f"{words}, the most that this server does.",
                f"Come back in {minutes} minute" + "s" * (minutes > 1) + ".",
            )

    def _is_alone(self) -> bool:
        """Whether this server is for the person at its own machine: only they could come, and nobody else ever did."""
        bound = st.get_option("server.address")
        is_shared = access.door().is_locked or self._settings.trusted_proxies
        if is_shared or bound is None or not is_loopback(str(bound)):
            return False
        if not self._others_came and _comes_from_elsewhere():
            self._others_came = True
            log.warning("visitors come through a proxy: limits hold from now on; set ESMVIZ_TRUSTED_PROXIES")
        return not self._others_came


def _comes_from_elsewhere() -> bool:
    """Whether the browser knows this server by another name than this machine's, or a proxy passed it on."""
    headers = st.context.headers
    try:
        names = [
            urlsplit(headers.get("Origin", "")).hostname,
            urlsplit(f"//{headers.get('Host', '')}").hostname,
        ]
    except ValueError:
        return True
    return any(name in headers for name in PROXIED) or not all(is_loopback(name) for name in names if name)


def address(settings: Settings) -> str:
    """Where the visitor of this script run is, as far as trusted proxies say it."""
    forwarded = ",".join(st.context.headers.get_all("X-Forwarded-For"))
    proxies = networks(settings.trusted_proxies or "", "ESMVIZ_TRUSTED_PROXIES")
    return household(came_from(str(st.context.ip_address or LOCAL), forwarded, proxies))
