"""Carries requests to a server that hosts a model: patiently where waiting helps, and never past a bound.

Rate limits, server faults and lost connections are tried again, a few times; all else is said at once. A reply is
read up to a size and a time, and only JSON comes through: nothing is unpickled. Neither tokens nor sequences are
logged, and what a server says of them is cut out of errors.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from esmviz.errors import ServiceError
from esmviz.models.hosted import Server

JSON = "application/json"
ATTEMPTS = 5
LONGEST_PAUSE = 30.0  # seconds between two attempts of our own accord
LONGEST_WAIT = 120.0  # seconds that a server may ask us to wait
MOST_BYTES = 256 * 2**20  # of one reply, decompressed: a layer of 2048 residues, 5120 wide, as JSON
MOST_VALUES = 12_000_000  # of such a layer: 10.5 million
MOST_LISTS = 1_000_000  # a list for each residue and layer, and what is around them
MOST_REASON = 300  # letters of a server's own words in an error

_SEQUENCE = re.compile(r"[ACDEFGHIKLMNPQRSTVWYBZXUO]{10,}")
_HINTS = {
    401: "The token in the settings is missing or not accepted.",
    403: "The token in the settings does not allow it.",
    404: "The server does not have this model, or its address in the settings is wrong.",
    413: "Take a shorter protein.",
    429: "Wait a while, then start again: what has come is kept.",
}


@dataclass(frozen=True)
class Trouble:
    """Why an attempt failed, whether another may help, and the seconds that the server asks for."""

    error: ServiceError
    is_passing: bool = False
    wait: float | None = None


class Courier(httpx.Client):
    """A client for one server.

    Parameters
    ----------
    server : Server
    scheme : str
        Word before the token in the Authorization header.
    sleep, jitter : callable
        Waits for seconds; draws from 0 to 1. Tests bring their own.
    """

    def __init__(
        self,
        server: Server,
        scheme: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        headers = {} if server.token is None else {"Authorization": f"{scheme} {server.token}"}
        super().__init__(headers=headers, timeout=server.timeout)
        self.server, self._sleep, self._jitter = server, sleep, jitter

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """The server's JSON reply, in full.

        Raises
        ------
        ServiceError
            With the server's reason; ``status`` is its HTTP status.
        """
        request.headers["Accept"], request.headers["Accept-Encoding"] = JSON, "gzip"
        attempt = 0
        while True:
            attempt += 1
            answer = self._attempt(request, **options)
            if isinstance(answer, httpx.Response):
                return answer
            if attempt == ATTEMPTS or not answer.is_passing or (answer.wait or 0) > LONGEST_WAIT:
                raise answer.error
            self._sleep(self._pause(attempt) if answer.wait is None else answer.wait)

    def _pause(self, attempt: int) -> float:
        """Seconds before the next attempt: twice as many each time, and not the same for everybody."""
        return min(LONGEST_PAUSE, 2.0 ** (attempt - 1)) * (0.5 + self._jitter() / 2)

    def _attempt(self, request: httpx.Request, **options: Any) -> httpx.Response | Trouble:
        host, limit = self.server.host, self.server.timeout
        try:
            with closing(super().send(request, **{**options, "stream": True})) as response:
                return self._judged(response, self._body(response))
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            return Trouble(self._too_slow())
        except httpx.ConnectTimeout:
            return Trouble(ServiceError(f"{host} could not be reached within {limit:g} s."), is_passing=True)
        except httpx.TransportError as error:
            reason = f": {self._clean(str(error))}" if isinstance(error, httpx.ConnectError) else ""
            kind = "There is no connection to" if reason else "The connection broke to"
            hint = "Look at its address in the settings, and at your network."
            return Trouble(ServiceError(f"{kind} {host}{reason}.", hint), is_passing=True)
        except httpx.DecodingError:
            return Trouble(ServiceError(f"{host} sent a reply that cannot be decompressed."))

    def _too_slow(self) -> ServiceError:
        return ServiceError(
            f"{self.server.host} did not answer within {self.server.timeout:g} s.",
            "Ask for less at once, or raise ESMVIZ_SERVICE_TIMEOUT_SECONDS.",
        )

    def _body(self, response: httpx.Response) -> bytes:
        """All of a reply, within bounds of size and time."""
        if response.headers.get("Content-Encoding", "gzip") not in ("gzip", "identity"):
            raise ServiceError(f"{self.server.host} sent a reply in a compression that was not asked for.")
        end, body = time.monotonic() + self.server.timeout, bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                size = f"{MOST_BYTES >> 20} MiB"
                raise ServiceError(
                    f"{self.server.host} sent more than {size}.", "Ask for fewer layers at once."
                )
            if time.monotonic() > end:
                raise self._too_slow()
        return bytes(body)

    def _judged(self, response: httpx.Response, body: bytes) -> httpx.Response | Trouble:
        """The reply as it is handed on, or what is wrong with it."""
        status, host = response.status_code, self.server.host
        if response.is_success:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind != JSON:
                return Trouble(
                    ServiceError(f"{host} answered with {self._clean(kind) or 'nothing'}, not JSON.")
                )
            return httpx.Response(
                status, headers={"Content-Type": JSON}, content=body, request=response.request
            )
        if response.is_redirect:  # not followed: the token is for this host alone
            return Trouble(
                ServiceError(f"{host} sends us on to another address.", "Set that one.", status=status)
            )
        error = self.refusal(_object(body), f" with status {status}", _HINTS.get(status, ""), status)
        if status != 429 and status < 500:
            return Trouble(error)
        return Trouble(error, is_passing=True, wait=_seconds(response.headers.get("Retry-After")))

    def refusal(
        self, data: Mapping[str, Any], how: str = "", hint: str = "", status: int | None = None
    ) -> ServiceError:
        """What the server says is wrong, in its own words."""
        reason = self._clean(reason_of(data))
        end = f": {reason}" if reason else " and gives no reason."
        return ServiceError(f"{self.server.host} refuses{how}{end}", hint, status=status)

    def _clean(self, text: str) -> str:
        """A server's words as one short line of plain text, without the token and without sequences."""
        if self.server.token:
            text = text.replace(self.server.token, "(token)")
        text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return _SEQUENCE.sub("(sequence)", text)[:MOST_REASON]


def parsed(response: httpx.Response, host: str) -> dict[str, Any]:
    """The JSON object that a reply holds.

    Raises
    ------
    ServiceError
        For what is not JSON, or no object.
    """
    data = _object(response.content)
    if not data:
        raise ServiceError(
            f"{host} sent a reply that is no JSON object: cut short, too large, or no model server."
        )
    return data


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is anything else, or would take much more memory than its text."""
    if body.count(b"[") + body.count(b"{") > MOST_LISTS or body.count(b'"') > 4 * MOST_LISTS:
        return {}
    if body.count(b",") > MOST_VALUES:
        return {}
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def reason_of(data: Mapping[str, Any]) -> str:
    """Why a server refuses, in its own words; "" where it says nothing that is meant for people.

    Of a validation report only the messages count: its ``input`` repeats what was sent.

    >>> reason_of({"detail": [{"loc": ["items"], "msg": "too long", "input": "MKV"}]})
    'too long'
    """
    words = [_words(data[key]) for key in ("detail", "error", "description", "message") if key in data]
    return next(filter(None, words), "")


def _words(value: Any) -> str:
    match value:
        case str():
            return value
        case {"msg": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return text
        case list():
            return "; ".join(filter(None, map(_words, value[:5])))
    return ""


def _seconds(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, which is a number or a date (RFC 9110, 10.2.3).

    >>> _seconds("7"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT"), _seconds("soon"), _seconds(None)
    (7.0, 0.0, None, None)
    """
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
