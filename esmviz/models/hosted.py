"""Models that run on somebody else's server: which there are, and what each gives. No HTTP until one is used.

A name ends in ``@`` and its service: ``esm2-650m@biolm``. Sequences leave this machine, so the title says where to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from esmviz.errors import InvalidSettingError, ModelUnavailableError
from esmviz.models import esm_package
from esmviz.models.base import Backend, ModelStatus
from esmviz.models.catalog import CATALOG
from esmviz.types import ModelSpec

# Slugs of the BioLM format that are names of our catalogue too; its ESM-1v answers masked positions only.
BIOLM_MODELS = ("esm2-8m", "esm2-35m", "esm2-150m", "esm2-650m", "esm2-3b", "esmc-300m", "esmc-600m", "esm1b")
BIOHUB_MODELS = {
    "esmc-300m": "esmc-300m-2024-12",
    "esmc-600m": "esmc-600m-2024-12",
    "esmc-6b": "esmc-6b-2024-12",
    "esm3-open": "esm3-sm-open-v1",
}
# Letters that a service takes. In the BioLM format the five of ``<mask>`` beyond one residue count, too.
LONGEST, LONGEST_BY_NAME, MASK_LETTERS = 2048, {"esm1b": 1022}, 5
PRECISION = "hosted precision"  # a server does not say which


@dataclass(frozen=True)
class Server:
    """Where requests go: from the settings alone, never from a visitor. The token is in no repr.

    ``timeout`` is how long one answer may take, in seconds.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 60.0

    @property
    def host(self) -> str:
        """Host, and port where the address names one.

        >>> Server("http://localhost:8000/api/v3", "secret").host
        'localhost:8000'
        """
        return urlsplit(self.url).netloc


class HostedModels:
    """Models by name, of the servers that the settings name.

    Parameters
    ----------
    biolm : Server, optional
        A server that speaks the BioLM format: BioLM's, or another esmviz.
    biolm_models : sequence of str, optional
        Names of the catalogue that it is asked for; by default those that the format documents.
    biohub : Server, optional
    offline : bool
        Send nothing to anybody.
    """

    def __init__(
        self,
        *,
        biolm: Server | None = None,
        biolm_models: Sequence[str] | None = None,
        biohub: Server | None = None,
        offline: bool = False,
    ) -> None:
        self._offline = offline
        self._backends: dict[str, Backend] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._makers: dict[str, tuple[ModelSpec, Callable[[ModelSpec], Backend]]] = {}
        if biolm is not None:
            for name in _known(BIOLM_MODELS if biolm_models is None else biolm_models):
                self._offer(of_biolm(CATALOG[name], biolm.host), _biolm_maker(name, biolm))
        if biohub is not None:
            for name, model in BIOHUB_MODELS.items():
                self._offer(of_biohub(CATALOG[name], biohub.host), _biohub_maker(model, biohub))

    def specs(self) -> dict[str, ModelSpec]:
        """All hosted models."""
        return {name: spec for name, (spec, _) in self._makers.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._makers

    def status(self, name: str) -> ModelStatus:
        """Whether it may be asked; it needs no memory here."""
        reason = ""
        if self._offline:
            reason = "ESMVIZ_OFFLINE is set, so no sequence may leave this machine."
        elif name.endswith("@biohub") and not esm_package.is_installed():
            reason = str(esm_package.unavailable(name))
        return ModelStatus(not reason, name in self._backends, 0, 0, True, reason)

    def backend(self, name: str) -> Backend:
        """What sends proteins to the server. On first use the server is asked whether it has the model.

        Raises
        ------
        ModelUnavailableError
            Offline, or the esm package is needed and not installed.
        ServiceError
            The server is out of reach, refuses, or has another model under that name.
        """
        if self._offline:
            raise ModelUnavailableError(
                f"{name} runs on another machine, and esmviz is offline (ESMVIZ_OFFLINE).",
                "Choose a model of this machine, or unset it.",
            )
        spec, make = self._makers[name]
        with self._locks[name]:
            if name not in self._backends:
                self._backends[name] = make(spec)
            return self._backends[name]

    def _offer(self, spec: ModelSpec, make: Callable[[ModelSpec], Backend]) -> None:
        self._makers[spec.name], self._locks[spec.name] = (spec, make), threading.Lock()


def _known(names: Sequence[str]) -> list[str]:
    """Names that the catalogue has; one that is asked for by a setting and is not there is an error."""
    able = [name for name, spec in CATALOG.items() if "hidden_states" in spec.provides]
    if unknown := [name for name in names if name not in able]:
        raise InvalidSettingError(
            f"ESMVIZ_BIOLM_MODELS names {', '.join(map(repr, unknown))}.", f"There are {', '.join(able)}."
        )
    return list(names)


def _hosted(spec: ModelSpec, service: str, host: str) -> ModelSpec:
    """What every hosted model has in common: no attention, another name, and where it runs."""
    return replace(
        spec,
        name=f"{spec.name}@{service}",
        revision=f"as served by {host}",
        provides=spec.provides & {"logits", "hidden_states", "contacts"},
        max_residues=LONGEST,
        title=f"{spec.title or spec.name}, hosted by {host}",
        note=f"Hosted by {host}: the sequences you look at are sent there. {spec.note}",
        card="",
        host=host,
    )


def of_biolm(spec: ModelSpec, host: str) -> ModelSpec:
    """What the BioLM format gives of a model.

    Its ESM C counts block outputs, the last before the final norm (models/esmc/app.py of BioLM's open server): our
    layers 0 and ``n_layers`` are not among them, nor is a vector of BOS. Its ESM-1b gives no contacts.
    """
    longest = LONGEST_BY_NAME.get(spec.name, LONGEST) - MASK_LETTERS
    spec = replace(_hosted(spec, "biolm", host), max_residues=longest)
    if spec.family == "esmc":
        return replace(spec, poolings=("mean", "max"), layer_range=(1, spec.n_layers - 1))
    return replace(spec, provides=spec.provides - {"contacts"}) if spec.name == "esm1b@biolm" else spec


def of_biohub(spec: ModelSpec, host: str) -> ModelSpec:
    """What Biohub gives of a model: outputs of blocks, and of ESM C what comes after the final norm."""
    spec = _hosted(spec, "biohub", host)
    last = spec.n_layers if spec.family == "esmc" else spec.n_layers - 1
    return replace(spec, provides=spec.provides - {"contacts"}, layer_range=(1, last))


def _biolm_maker(slug: str, server: Server) -> Callable[[ModelSpec], Backend]:
    def make(spec: ModelSpec) -> Backend:
        from esmviz.models.biolm import BiolmBackend

        return BiolmBackend(spec, slug, server)

    return make


def _biohub_maker(model: str, server: Server) -> Callable[[ModelSpec], Backend]:
    def make(spec: ModelSpec) -> Backend:
        from esmviz.models.biohub import BiohubBackend

        return BiohubBackend(spec, model, server)

    return make
