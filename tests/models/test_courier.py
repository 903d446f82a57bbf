"""Requests to a real HTTP server that limits, fails, delays, lies and hangs up."""

import gzip
import json
import logging
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest

from esmviz.errors import ModelUnavailableError, ServiceError
from esmviz.models import courier as couriers
from esmviz.models.courier import parsed
from esmviz.models.hosted import Server

SEQUENCE = "MKVLAWGHDEMKVLAWGHDE"
GOOD = (200, {}, b'{"results": []}')


@pytest.fixture
def service(serve):
    return serve()


def post(carrier, service):
    return carrier.post(f"{service.url}/esm2-8m/encode/", json={"items": [{"sequence": SEQUENCE}]})


def refused(status, detail="no", **headers):
    body = json.dumps({"detail": detail, "errors": [], "status_code": status, "code": "user.validation"})
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, body.encode()


def test_a_reply_comes_through(service, courier):
    service.script = [GOOD]
    assert parsed(post(courier(service), service), "host") == {"results": []}
    [(path, headers, body)] = service.asked
    assert path == "/api/v3/esm2-8m/encode/"
    assert headers["Authorization"] == "Token s3cret-token"
    assert headers["Accept"] == "application/json"
    assert body == {"items": [{"sequence": SEQUENCE}]}


def test_no_token_no_header(service, courier):
    service.script = [GOOD]
    post(courier(service, token=None), service)
    assert "Authorization" not in service.asked[0][1]


def test_rate_limit_waits_as_long_as_the_server_asks(service, courier):
    service.script = [refused(429, Retry_After="7"), GOOD]
    post(courier(service), service)
    assert service.pauses == [7.0]


def test_rate_limit_until_a_date(service, courier):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    service.script = [refused(429, Retry_After=date), GOOD]
    post(courier(service), service)
    assert 0 < service.pauses[0] <= 60


def test_a_server_that_asks_for_an_hour_is_not_waited_for(service, courier):
    service.script = [refused(429, "quota", Retry_After="3600")]
    with pytest.raises(ServiceError, match=r"429: quota.*Wait a while") as caught:
        post(courier(service), service)
    assert caught.value.status == 429
    assert service.pauses == []


def test_faults_are_tried_again_with_growing_pauses(service, courier):
    service.script = [refused(500), refused(503), (502, {"Content-Type": "text/html"}, b"<html>"), GOOD]
    post(courier(service), service)
    assert service.pauses == [1.0, 2.0, 4.0]


def test_faults_are_not_tried_for_ever(service, courier):
    service.script = [refused(500, "out of memory")] * 9
    with pytest.raises(ServiceError, match="refuses with status 500: out of memory") as caught:
        post(courier(service), service)
    assert len(service.asked) == couriers.ATTEMPTS == 5
    assert service.pauses == [1.0, 2.0, 4.0, 8.0]
    assert isinstance(caught.value, ModelUnavailableError)
    assert (caught.value.exit_code, caught.value.http_status, caught.value.status) == (3, 502, 500)


def test_jitter_keeps_clients_apart(service):
    pauses = []
    draws = iter([0.0, 0.5])
    carrier = couriers.Courier(Server(service.url), "Token", sleep=pauses.append, jitter=lambda: next(draws))
    service.script = [refused(500), refused(500), GOOD]
    post(carrier, service)
    assert pauses == [0.5, 1.5]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_other_refusals_are_said_at_once(service, courier, status):
    service.script = [refused(status, "the reason")]
    with pytest.raises(ServiceError, match=f"status {status}: the reason"):
        post(courier(service), service)
    assert len(service.asked) == 1


def test_what_a_server_says_is_one_plain_line_without_secrets(service, courier):
    words = f"bad\n\x1b[31m s3cret-token in {SEQUENCE} " + "x" * 1000
    service.script = [refused(400, words)]
    with pytest.raises(ServiceError) as caught:
        post(courier(service), service)
    text = str(caught.value)
    assert "bad [31m (token) in (sequence) xxx" in text
    assert text.isprintable()
    assert len(text) < 400


def test_a_validation_report_shows_messages_and_not_what_was_sent(service, courier):
    report = [{"loc": ["items", 0], "msg": "String too long", "input": SEQUENCE}, {"msg": "and short"}]
    service.script = [refused(422, report)]
    with pytest.raises(ServiceError, match="422: String too long; and short") as caught:
        post(courier(service), service)
    assert SEQUENCE[:10] not in str(caught.value)


def test_a_redirect_is_not_followed(service, courier, serve):
    other = serve()
    service.script = [(307, {"Location": f"{other.url}/esm2-8m/encode/"}, b"")]
    with pytest.raises(ServiceError, match="another address"):
        post(courier(service), service)
    assert other.asked == []


def test_nobody_listens(courier, service):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = SimpleNamespace(url=f"http://127.0.0.1:{port}/api", pauses=service.pauses)
    with pytest.raises(ServiceError, match=rf"no connection to 127\.0\.0\.1:{port}.*refused"):
        post(courier(address), address)
    assert service.pauses == [1.0, 2.0, 4.0, 8.0]


def hang_up(handler, body):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b'{"results": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


def test_a_connection_that_breaks_is_tried_again(service, courier):
    service.script = [hang_up, GOOD]
    assert post(courier(service), service).status_code == 200
    assert service.pauses == [1.0]


@pytest.fixture
def gate():
    """Held until the test is over, so that a server can be slow without a clock."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_server_that_is_slow_is_not_asked_again(service, courier, gate):
    service.script = [lambda handler, body: gate.wait(20) and GOOD] * 2
    with pytest.raises(ServiceError, match=r"did not answer within 0\.2 s.*ESMVIZ_SERVICE_TIMEOUT_SECONDS"):
        post(courier(service, timeout=0.2), service)
    assert len(service.asked) == 1


def test_a_server_that_drips_runs_out_of_time(service, courier, gate):
    def drip(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        while not gate.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    service.script = [drip]
    with pytest.raises(ServiceError, match="did not answer within"):
        post(courier(service, timeout=0.3), service)


@pytest.mark.parametrize(
    ("kind", "said"),
    [("text/html", "text/html, not JSON"), ("application/vnd.evolutionaryscale.pickle", "pickle, not JSON")],
)
def test_only_json_comes_through(service, courier, kind, said):
    service.script = [(200, {"Content-Type": kind}, b"cos\nsystem\n(S'touch /tmp/pwned'\ntR.")]
    with pytest.raises(ServiceError, match=said):
        post(courier(service), service)


@pytest.mark.parametrize("body", [b"", b'{"results": [', b"[]", b"NaN", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(service, courier, body):
    service.script = [(200, {}, body)]
    with pytest.raises(ServiceError, match="no JSON object"):
        parsed(post(courier(service), service), "host")


def test_a_compressed_reply_is_read(service, courier):
    service.script = [(200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"results": []}'))]
    assert parsed(post(courier(service), service), "host") == {"results": []}


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_other_compressions_are_not_unpacked(service, courier, coding):
    service.script = [(200, {"Content-Encoding": coding}, b"....")]
    with pytest.raises(ServiceError, match="not asked for"):
        post(courier(service), service)


def test_a_damaged_compression_is_an_error(service, courier):
    service.script = [(200, {"Content-Encoding": "gzip"}, b"no gzip at all")]
    with pytest.raises(ServiceError, match="decompressed"):
        post(courier(service), service)


def test_a_huge_reply_is_not_read_to_its_end(service, courier, monkeypatch):
    monkeypatch.setattr(couriers, "MOST_BYTES", 2**20)
    bomb = gzip.compress(bytes(64 * 2**20))
    service.script = [(200, {"Content-Encoding": "gzip"}, bomb)]
    with pytest.raises(ServiceError, match="more than 1 MiB"):
        post(courier(service), service)


def test_nothing_secret_is_logged_or_shown(service, courier, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    service.script = [refused(500, SEQUENCE), refused(400, f"{SEQUENCE} s3cret-token")]
    carrier = courier(service)
    with pytest.raises(ServiceError) as caught:
        post(carrier, service)
    seen = [caplog.text, *capfd.readouterr(), repr(carrier), repr(carrier.server), repr(caught.value)]
    assert "POST" in caplog.text
    for text in seen:
        assert "s3cret" not in text
        assert SEQUENCE not in text
