"""ESM C and ESM3 at Biohub, through the clients of the ``esm`` package.

Those clients unpickle in two places: a reply whose content type says so, and tensors that come as base64 when bytes
are asked for. Here neither is reached: a reply is JSON or an error, and numbers are asked for as lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from esmviz.errors import ModelUnavailableError, ServiceError
from esmviz.models import esm_package
from esmviz.models.base import (
    AMINO_ACID_TOKENS,
    MASK,
    Site,
    check_records,
    check_sites,
    read_only,
    resolve_layers,
    tokens,
)
from esmviz.models.courier import Courier, parsed
from esmviz.models.hosted import PRECISION, Server
from esmviz.models.replies import blaming, numbers
from esmviz.types import FloatArray, IntArray, ModelOutput, ModelSpec, Precision, ProteinRecord, Request

# What reading a reply of another form raises inside the clients.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError)


class BiohubBackend:
    """One model at Biohub; a request holds one protein.

    Parameters
    ----------
    spec : ModelSpec
    model : str
        Its name there.
    server : Server
    courier : Courier, optional

    Raises
    ------
    ModelUnavailableError
        Where the esm package is not installed, or there is no token.
    """

    def __init__(self, spec: ModelSpec, model: str, server: Server, courier: Courier | None = None) -> None:
        if server.token is None:
            raise ModelUnavailableError(f"{spec.name} needs an API key.", "Set ESMVIZ_BIOHUB_TOKEN.")
        if not esm_package.is_installed():
            raise esm_package.unavailable(spec.name)
        self.spec, self.revision, self.device = spec, str(spec.revision), "hosted"
        courier = Courier(server, "Bearer") if courier is None else courier
        self._client, self._host = _client(spec, model, server, courier), server.host

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in their order, one protein at a time."""
        check_records(records, request, self.spec)
        return self._run(records, request)

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield sites one at a time, and the logits there without that residue."""
        check_records([record for record, _ in sites], Request(logits=True), self.spec)
        check_sites(sites, self.spec)
        return self._run_masked(sites)

    def _run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        for record in records:
            with blaming(record):
                output = self._output(tokens(record), request)
            yield output

    def _run_masked(self, sites: Sequence[Site]) -> Iterator[tuple[IntArray, FloatArray]]:
        for index, (record, position) in enumerate(sites):
            ids = tokens(record)
            ids[position + 1] = MASK
            with blaming(record):
                logits = self._logits(self._ask(ids, sequence=True), len(ids))
            yield np.array([index]), read_only(logits[position][None])

    def _output(self, ids: IntArray, request: Request) -> ModelOutput:
        layers = resolve_layers(request.layers, self.spec)
        logits, states = None, {}
        if request.logits and not layers:
            logits = self._logits(self._ask(ids, sequence=True), len(ids))
        for layer in dict.fromkeys(layers):  # the first request brings the logits too
            asked = request.logits and logits is None
            reply = self._ask(ids, sequence=asked, **self._question(layer))
            logits = self._logits(reply, len(ids)) if asked else logits
            states[layer] = self._states(reply, layer, len(ids))
        vectors = np.stack([states[layer] for layer in layers]) if layers else None
        keep = vectors is not None and (request.keep_residues or request.pooling is None)
        return ModelOutput(
            logits=None if logits is None else read_only(logits),
            hidden_states=read_only(vectors[:, 1:-1]) if vectors is not None and keep else None,
            pooled=_pooled(vectors, request) if vectors is not None and request.pooling else None,
            precision=PRECISION,
        )

    def _question(self, layer: int) -> dict[str, Any]:
        """What has to be asked for one layer: ``embeddings`` are after the final norm; a hidden layer is counted
        from 0, where the first is the output of block 1.
        """
        if layer == self.spec.n_layers:
            return {"return_embeddings": True}
        return {"return_hidden_states": True, "ith_hidden_layer": layer - 1}

    def _states(self, reply: Any, layer: int, n: int) -> FloatArray:
        """Hidden states (L + 2, D) of a reply, BOS and EOS included."""
        found = reply.embeddings if layer == self.spec.n_layers else reply.hidden_states
        what = f"hidden states of layer {layer}"
        return numbers(found, (n, self.spec.d_model), what, is_batch_of_one=True)

    def _logits(self, reply: Any, n: int) -> FloatArray:
        """Logits (L, A) of a reply; the model's have a column for each token of its vocabulary and spare ones."""
        found = None if reply.logits is None else reply.logits.sequence
        logits = numbers(found, (n, None), "logits", is_batch_of_one=True)
        if logits.shape[1] <= MASK:
            raise ServiceError(f"logits in the server's reply have {logits.shape[1]} columns.")
        return np.asarray(logits[1:-1, list(AMINO_ACID_TOKENS)])

    def _ask(self, ids: IntArray, **config: Any) -> Any:
        """The client's LogitsOutput for token ids."""
        import torch
        from esm.sdk.api import ESMProteinError, ESMProteinTensor, LogitsConfig
        from esm.sdk.forge import skip_retries_var

        unasked = skip_retries_var.set(True)  # the courier does that, and does not print
        try:
            protein = ESMProteinTensor(sequence=torch.from_numpy(ids))
            reply = self._client.logits(protein, LogitsConfig(**config), return_bytes=False)
        except UNREADABLE as error:
            kind = type(error).__name__
            raise ServiceError(f"{self._host} sent a reply of another form ({kind}).") from None
        finally:
            skip_retries_var.reset(unasked)
        if isinstance(reply, ESMProteinError):
            raise ServiceError(
                f"{self._host} refuses with status {reply.error_code}.", status=reply.error_code
            )
        return reply


def _client(spec: ModelSpec, model: str, server: Server, courier: Courier) -> Any:
    """The esm package's client of a family, with our transport and our reading of replies."""
    from esm.sdk import forge

    base = forge.ESMCForgeInferenceClient if spec.family == "esmc" else forge.ESM3ForgeInferenceClient

    class Client(base):  # type: ignore[misc, valid-type]  # chosen just now
        client = courier

        def prepare_data(self, response: Any, endpoint: str) -> dict[str, Any]:
            """In place of what unpickles a reply and prints the server's warnings."""
            data = parsed(response, server.host)
            inner = data.get("data")
            return inner if "outputs" not in data and isinstance(inner, dict) else data

    timeout: Any = server.timeout
    return Client(model, server.url, server.token, timeout)


def _pooled(vectors: FloatArray, request: Request) -> FloatArray:
    """Vectors (n, D) of hidden states (n, L + 2, D)."""
    residues = vectors[:, 1:-1]
    match request.pooling:
        case "mean":
            return read_only(residues.mean(axis=1))
        case "max":
            return read_only(residues.max(axis=1))
    return read_only(vectors[:, 0])
