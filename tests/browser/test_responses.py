"""Every kind of response of a real server has the headers; foreign pages and requests without a token are refused."""

import re
import urllib.error
import urllib.request
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

PATHS = {
    "": 200,
    "logits": 200,
    "_stcore/health": 200,
    "_stcore/host-config": 200,
    "_stcore/metrics": 404,
    "3dmol/3Dmol-min.js": 200,
    "3dmol/none.js": 404,
    "component/none/x": 404,
    "media/none": 404,
    "%2e%2e/etc/passwd": 400,
}


def answer(url, method="GET", body=None, **given):
    """Status, headers and body of one request, errors included."""
    request = urllib.request.Request(url, body, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def status_before_the_body(url, headers):
    """What a server says to an upload of which it has only seen the headers."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    connection.putrequest("PUT", parts.path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    with closing(connection):
        return connection.getresponse().status


@pytest.fixture(scope="module")
def scripts(server):
    """Addresses of the page's own scripts and styles."""
    _, _, page = answer(server.url, Accept="text/html")
    found = re.findall(r'(?:src|href)="\./(static/[^"]+)"', page.decode())
    assert len(found) > 5
    return found[:3]


@pytest.mark.parametrize("path", PATHS)
def test_every_response_has_the_headers(server, path):
    status, headers, _ = answer(f"{server.url}/{path}")
    assert status == PATHS[path]
    assert_guarded(headers)


def test_static_files_have_the_headers(server, scripts):
    for path in scripts:
        status, headers, _ = answer(f"{server.url}/{path}")
        assert status == 200
        assert_guarded(headers)


def assert_guarded(headers):
    assert "default-src" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_page_of_another_site_gets_nothing(server):
    for path in ("", "_stcore/health", "3dmol/3Dmol-min.js"):
        status, headers, _ = answer(f"{server.url}/{path}", Origin="http://localhost:3000")
        assert status == 403
        assert_guarded(headers)


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [(None, True), ("own", True), ("http://evil.example", False), ("http://localhost:3000", False)],
)
def test_the_websocket_opens_for_this_servers_pages_alone(server, origin, is_taken):
    address = f"{server.url.replace('http', 'ws')}/_stcore/stream"
    given = {"origin": server.url if origin == "own" else origin, "subprotocols": ["streamlit"]}
    if is_taken:
        with connect(address, **given) as socket:
            assert socket.subprotocol == "streamlit"
        return
    with pytest.raises(InvalidStatus, match="403"):
        connect(address, **given)


def test_an_upload_needs_the_token_of_the_page(app, server):
    """The request that the page makes, again: without its token, and with a wrong one."""
    app.open()
    with app.page.expect_request(
        lambda request: "/upload_file/" in request.url and request.method == "PUT"
    ) as made:
        app.upload("one.fasta", b">one\nMKVLAAGIV\n")
    app.expect_text("1 protein")
    url, sent = made.value.url, made.value.all_headers()
    assert sent["x-xsrftoken"]
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nMKV\r\n--x--\r\n'
    kept = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": sent["cookie"]}
    tries = [({}, 403), ({"X-Xsrftoken": "2|0|0|0"}, 403), ({"X-Xsrftoken": sent["x-xsrftoken"]}, 204)]
    for token, expected in tries:
        status, headers, _ = answer(url, "PUT", body, **kept, **token)
        assert status == expected
        assert_guarded(headers)
    announced = {**kept, **tries[-1][0], "Content-Length": str(51 * 2**20)}
    assert status_before_the_body(url, announced) == 413  # the limit of the settings, not one of Streamlit's


def test_a_download_is_an_attachment_that_runs_nothing(app):
    app.open()
    app.chart("first-look")
    with app.page.expect_response(lambda response: "/media/" in response.url) as got:
        app.download("csv")
    headers = got.value.headers
    assert headers["content-disposition"].startswith('attachment; filename="esmviz-')
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"] == "private, no-store"


def test_an_inline_script_does_not_run(app):
    """Whatever found its way into the page as markup."""
    app.open()
    app.page.evaluate(
        """() => {
            const box = document.body.appendChild(document.createElement("div"));
            box.innerHTML = '<img src="data:," onerror="window.hit = 1">';
            const script = document.createElement("script");
            script.textContent = "window.hit = 2";
            document.body.appendChild(script);
        }"""
    )
    app.page.wait_for_timeout(500)
    assert app.page.evaluate("window.hit") is None
    refused = [said for said in app.complaints if "Content Security Policy" in said]
    assert len(refused) == 2
    for said in refused:
        app.complaints.remove(said)
    expect(app.page.get_by_test_id("stMain")).to_be_visible()
