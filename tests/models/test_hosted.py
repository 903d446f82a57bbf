"""Which hosted models there are, and who may ask for them."""

import pytest

from esmviz.errors import InvalidSettingError, ModelUnavailableError, ServiceError, UnknownModelError
from esmviz.models import esm_package, hosted
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.models.hosted import BIOHUB_MODELS, BIOLM_MODELS, HostedModels, Server

BIOLM = Server("https://biolm.test/api/v3", "s3cret-token")
BIOHUB = Server("https://biohub.test", "s3cret-token")


def test_none_is_offered_where_no_server_is_named():
    assert HostedModels().specs() == {}
    assert ModelCache().specs().keys() == CATALOG.keys()


def test_those_of_both_services_stand_beside_the_local_ones():
    models = ModelCache(hosted=HostedModels(biolm=BIOLM, biohub=BIOHUB))
    names = models.specs().keys() - CATALOG.keys()
    assert names == {f"{n}@biolm" for n in BIOLM_MODELS} | {f"{n}@biohub" for n in BIOHUB_MODELS}
    for name in names:
        spec, local = models.spec(name), CATALOG[name.partition("@")[0]]
        assert spec.host in ("biolm.test", "biohub.test")
        assert spec.title == f"{local.title}, hosted by {spec.host}"
        assert "sequences you look at are sent there" in spec.note
        assert spec.provides <= local.provides - {"attentions"}
        assert (spec.n_layers, spec.d_model, spec.licence) == (local.n_layers, local.d_model, local.licence)
        assert models.status(name).needed_bytes == 0


def test_local_models_are_still_preferred_where_memory_is_short(monkeypatch):
    from esmviz.models import memory

    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**30)
    models = ModelCache(device="cpu", hosted=HostedModels(biolm=BIOLM, biohub=BIOHUB))
    assert "@" not in models._smaller(2**40, 2**30)


def test_the_setting_chooses_and_names_others():
    models = HostedModels(biolm=BIOLM, biolm_models=["mini", "esm2-15b"])
    assert models.specs().keys() == {"mini@biolm", "esm2-15b@biolm"}
    assert models.specs()["mini@biolm"].card == ""


@pytest.mark.parametrize("name", ["esm2-9b", "esm1v", "../etc", ""])
def test_a_model_that_cannot_be_is_an_error_of_the_setting(name):
    with pytest.raises(InvalidSettingError, match="ESMVIZ_BIOLM_MODELS"):
        HostedModels(biolm=BIOLM, biolm_models=[name])


def test_offline_nothing_is_asked(serve):
    server = serve()
    models = ModelCache(offline=True, hosted=HostedModels(biolm=Server(server.url), offline=True))
    status = models.status("esm2-8m@biolm")
    assert not status.present
    assert "ESMVIZ_OFFLINE" in status.reason
    with pytest.raises(ModelUnavailableError, match="ESMVIZ_OFFLINE"):
        models.backend("esm2-8m@biolm")
    assert server.asked == []


def test_there_is_nothing_to_download():
    models = ModelCache(hosted=HostedModels(biolm=BIOLM))
    with pytest.raises(ModelUnavailableError, match=r"biolm\.test"):
        models.download("esm2-8m@biolm", lambda done, total: None)


def test_a_visitor_names_no_server():
    models = ModelCache(hosted=HostedModels(biolm=BIOLM))
    for name in ("https://evil.test/esm2-8m@biolm", "esm2-8m@evil.test", "esm2-8m@biolm@biolm"):
        with pytest.raises(UnknownModelError):
            models.backend(name)


def test_a_model_is_made_once_and_only_after_its_server_answered(serve):
    server = serve()
    models = HostedModels(biolm=Server(server.url))
    server.script = [(404, {}, b'{"detail": "Not found."}')]
    with pytest.raises(ServiceError, match=r"^esm2-8m@biolm: .*404: Not found.*does not have this model"):
        models.backend("esm2-8m@biolm")
    body = b'{"results": [{"embeddings": [{"layer": 6, "embedding": [%s]}]}]}' % b",".join([b"0"] * 320)
    server.script = [(200, {}, body)]
    first = models.backend("esm2-8m@biolm")
    assert models.backend("esm2-8m@biolm") is first
    assert models.status("esm2-8m@biolm").loaded
    assert [path for path, _ in server.posts()] == ["/api/v3/esm2-8m/encode/"] * 2


def test_without_the_esm_package_its_models_say_which_command_adds_it(monkeypatch):
    monkeypatch.setattr(esm_package, "is_installed", lambda: False)
    models = HostedModels(biohub=BIOHUB, biolm=BIOLM)
    assert "make install" in models.status("esmc-6b@biohub").reason
    assert models.status("esm2-8m@biolm").present
    with pytest.raises(ModelUnavailableError, match="make install"):
        models.backend("esmc-6b@biohub")


def test_a_token_is_in_no_repr():
    assert "s3cret" not in repr(BIOLM) + repr(hosted.HostedModels(biolm=BIOLM)) + str(BIOLM)
