"""Settings that name servers: what is refused, and that tokens stay secret."""

import logging

import pytest

from esmviz.answers import model_cache
from esmviz.errors import InvalidSettingError
from esmviz.settings import Settings

TOKEN = "s3cret-token"
URL = "https://models.test/api/v3"


def read(**environ):
    return Settings.from_env({f"ESMVIZ_{name}": value for name, value in environ.items()})


def test_servers_come_from_the_environment():
    settings = read(BIOLM_URL=URL, BIOLM_TOKEN=TOKEN, BIOLM_MODELS="esm2-8m, esmc-300m", BIOHUB_URL="")
    assert (settings.biolm_url, settings.biolm_token, settings.biohub_url) == (URL, TOKEN, None)
    hosted = [
        name
        for name in model_cache(settings, False, lambda n_bytes: 0, lambda model: False).specs()
        if "@" in name
    ]
    assert hosted == ["esm2-8m@biolm", "esmc-300m@biolm"]


def test_a_token_is_never_shown(caplog):
    settings = read(BIOLM_URL=URL, BIOLM_TOKEN=TOKEN, BIOHUB_URL=URL, BIOHUB_TOKEN=TOKEN)
    logging.getLogger("esmviz").warning("%s", settings)
    assert TOKEN not in f"{settings} {settings!r} {caplog.text}"


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/api", "http://127.0.0.1/api", "http://[::1]:80/api", URL]
)
def test_an_address_that_keeps_sequences_private_is_taken(url):
    assert read(BIOLM_URL=url, BIOHUB_URL=url).biolm_url == url


@pytest.mark.parametrize("service", ["BIOLM", "BIOHUB"])
@pytest.mark.parametrize(
    "host", ["models.test", "10.0.0.1", "localhost.models.test", "127.0.0.1.models.test"]
)
def test_plain_http_to_another_machine_is_refused_unless_on_purpose(service, host):
    url = f"http://{host}/api"
    with pytest.raises(InvalidSettingError, match="ESMVIZ_ALLOW_PLAIN_HTTP=1"):
        read(**{f"{service}_URL": url})
    assert read(**{f"{service}_URL": url, "ALLOW_PLAIN_HTTP": "1"})


@pytest.mark.parametrize(
    "url",
    ["models.test", "ftp://models.test", "https://", "file:///etc/passwd", "https://me:s3cret@models.test",
     "https://models.test/?key=s3cret", "https://models.test/#s3cret", "https://models.test:port", "https://[::1"],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused_without_repeating_it(url):
    with pytest.raises(InvalidSettingError, match="ESMVIZ_BIOLM_URL is no address") as caught:
        read(BIOLM_URL=url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["s3cret token", "s3cret\ntoken", "s3cret\u00e9", "s3cret\x00"])
def test_a_token_that_no_header_can_carry_is_refused_without_repeating_it(token):
    with pytest.raises(InvalidSettingError, match="ESMVIZ_BIOHUB_TOKEN") as caught:
        read(BIOHUB_URL=URL, BIOHUB_TOKEN=token)
    assert "s3cret" not in str(caught.value)


def test_a_token_without_a_server_is_a_mistake():
    with pytest.raises(InvalidSettingError, match="ESMVIZ_BIOLM_URL is not"):
        read(BIOLM_TOKEN=TOKEN)


def test_no_time_at_all_is_refused():
    with pytest.raises(InvalidSettingError, match="ESMVIZ_SERVICE_TIMEOUT_SECONDS"):
        read(SERVICE_TIMEOUT_SECONDS="0")
