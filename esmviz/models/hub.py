"""Weights from the Hugging Face hub: are they here, and fetch them, with the revision pinned and hashes checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esmviz.errors import CancelledError, CorruptCheckpointError, EsmvizError, ModelUnavailableError
from esmviz.models.pins import HASHES, REVISIONS
from esmviz.models.weights import ESM3_FILES
from esmviz.types import ModelSpec

WAYS_OUT = (
    "Download it on the Models page, or set HF_HOME to a cache that has it, HF_ENDPOINT to a mirror, or "
    "ESMVIZ_MODELS_DIR to a folder of checkpoints; HF_HUB_OFFLINE and ESMVIZ_OFFLINE must not be 1."
)
TEXTS = (".json", ".txt")
WEIGHTS = (".safetensors", ".bin", ".pth")
PIECE_BYTES = 2**18

Progress = Callable[[int, int], None]
Cancel = Callable[[], bool]


def local_folder(spec: ModelSpec) -> Path | None:
    """Folder of a model's snapshot on this machine, complete; None where it is not. Asks nobody."""
    from huggingface_hub import try_to_load_from_cache

    from esmviz.models.weights import weight_files

    config = try_to_load_from_cache(spec.repo_id, "config.json", revision=spec.revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        weight_files(folder)
    except CorruptCheckpointError:  # begun and not finished
        return None
    return folder


def unavailable(spec: ModelSpec, reason: str, missing: Sequence[ModelSpec] = ()) -> ModelUnavailableError:
    """The error of a model whose weights cannot be had, with the ways out; ``missing`` are members of an ensemble."""
    command = " && ".join(_command(part) for part in missing or (spec,))
    lacks = f" (it lacks {', '.join(part.name for part in missing)})" if spec.members else ""
    return ModelUnavailableError(
        f"{spec.name} is not on this machine{lacks}{reason}.", f"{WAYS_OUT} Command: {command}"
    )


def _command(spec: ModelSpec) -> str:
    """How to fetch a model by hand; of a repository with more models, only the files of this one."""
    nested = [name for name in ESM3_FILES if name in HASHES.get(spec.repo_id, {})]
    files = ["config.json", *nested] if nested else []
    revision = ["--revision", spec.revision] if spec.revision else []
    return " ".join(["hf download", spec.repo_id, *files, *revision])


def download(specs: Sequence[ModelSpec], progress: Progress, cancel: Cancel) -> None:
    """Fetch the files of models, as one piece of work; complete files are not fetched again.

    Parameters
    ----------
    progress : callable
        Called with bytes so far and bytes in all.
    cancel : callable
        Asked at every step; True stops with CancelledError; complete files are kept.

    Raises
    ------
    ModelUnavailableError
        Without a network or repository.
    CorruptCheckpointError
        When a file's hash is neither the recorded one nor, without a record, the stated one; the file is removed.
    """
    _over_plain_http()
    snapshots = [_snapshot(spec) for spec in specs]
    counter = _Counter(sum(sum(snapshot.sizes.values()) for snapshot in snapshots), progress, cancel)
    for snapshot in snapshots:
        _fetch(snapshot, counter)


def _over_plain_http() -> None:
    """Xet, the hub's other transport, swallows what the progress bar raises: a cancelled download would run on
    (huggingface/huggingface_hub#4632), and it counts each byte twice. By HTTP the bar is told, and may stop the
    download, after each piece, which is made small for slow lines.
    """
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_XET = True
    constants.DOWNLOAD_CHUNK_SIZE = PIECE_BYTES


@dataclass(frozen=True)
class _Snapshot:
    """A model's repository at one commit: the files to fetch, their bytes, and the hashes that the hub states."""

    spec: ModelSpec
    commit: str
    sizes: dict[str, int]
    stated: dict[str, str]


def _snapshot(spec: ModelSpec) -> _Snapshot:
    """The pinned commit, else the newest. It is learned by fetching ``config.json`` by the name of the branch: then
    the hub's cache notes the commit, and ``local_folder`` finds it without asking anybody.
    """
    from huggingface_hub import HfApi, hf_hub_download

    with _reaching(spec):
        # Without a network this fails at once, while the next call tries again for half a minute.
        HfApi().model_info(spec.repo_id, revision=spec.revision)
        commit = Path(hf_hub_download(spec.repo_id, "config.json", revision=spec.revision)).parent.name
        info = HfApi().model_info(spec.repo_id, revision=commit, files_metadata=True)
    files = info.siblings or ()
    sizes = wanted_files({file.rfilename: file.size or 0 for file in files})
    if not any(name.endswith(WEIGHTS) for name in sizes):
        raise unavailable(spec, " and its repository has no weights")
    stated = {file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id or "" for file in files}
    return _Snapshot(spec, commit, sizes, stated)


def _fetch(snapshot: _Snapshot, counter: _Counter) -> None:
    from huggingface_hub import hf_hub_download

    spec = snapshot.spec
    for name, size in snapshot.sizes.items():
        with _reaching(spec):
            path = hf_hub_download(spec.repo_id, name, revision=snapshot.commit, tqdm_class=counter.bar())
        check_hash(spec, name, Path(path), snapshot.stated[name])
        counter.finish(size)


@contextmanager
def _reaching(spec: ModelSpec) -> Iterator[None]:
    """What the hub's client and its transport raise, many families, as one error of ours."""
    try:
        yield
    except (EsmvizError, MemoryError):
        raise
    except Exception as error:
        raise unavailable(spec, f" and the hub cannot give it ({type(error).__name__})") from error


def wanted_files(sizes: dict[str, int]) -> dict[str, int]:
    """Of a repository's files the weights and texts: ``.bin`` only where there are no safetensors.

    Examples
    --------
    >>> list(wanted_files({"config.json": 1, "model.safetensors": 9, "pytorch_model.bin": 9, "tf_model.h5": 9}))
    ['config.json', 'model.safetensors']
    """
    if nested := [name for name in ESM3_FILES if name in sizes]:
        return {name: size for name, size in sizes.items() if name in ("config.json", nested[0])}
    has_safetensors = any(name.endswith(".safetensors") for name in sizes)
    weights = ".safetensors" if has_safetensors else ".bin"
    index = f"{weights}.index.json"
    return {
        name: size
        for name, size in sizes.items()
        if "/" not in name
        and (
            name.endswith(weights)
            or (name.endswith(TEXTS) and (not name.endswith(".index.json") or name.endswith(index)))
        )
    }


def check_hash(spec: ModelSpec, name: str, path: Path, stated: str = "") -> None:
    """Compare a file with the hash recorded for the pinned revision, else with the one that the hub states: its client
    compares lengths only.

    Raises
    ------
    CorruptCheckpointError
        When they differ; the file is removed.
    """
    recorded = HASHES.get(spec.repo_id, {}) if spec.revision == REVISIONS.get(spec.repo_id) else {}
    known = recorded.get(name, stated)
    if not known:
        return
    found = _hash(path, is_sha256=len(known) == 64)
    if found != known:
        path.resolve().unlink()
        source = "recorded" if name in recorded else "the hub states"
        raise CorruptCheckpointError(
            f"{name} of {spec.repo_id} has the hash {found[:12]}, not {known[:12]} as {source}.",
            "Download it again.",
        )


def _hash(path: Path, *, is_sha256: bool) -> str:
    """SHA-256 of the content, or the git blob id."""
    blob = b"blob %d\0" % path.stat().st_size
    digest = (
        hashlib.sha256() if is_sha256 else hashlib.sha1(blob, usedforsecurity=False)
    )  # all that git states
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


class _Counter:
    """Bytes over all files. The hub reports through a progress bar's class, so one is made that reports here."""

    def __init__(self, total: int, progress: Progress, cancel: Cancel) -> None:
        self._total, self._progress, self._cancel = total, progress, cancel
        self._finished = self._current = 0

    def add(self, n: int) -> None:
        if self._cancel():
            raise CancelledError("The download was stopped.", "Files that were complete are kept.")
        self._current += n
        self._progress(min(self._finished + self._current, self._total), self._total)

    def finish(self, size: int) -> None:
        self._finished, self._current = self._finished + size, 0
        self.add(0)

    def bar(self) -> Any:
        """A tqdm class that draws nothing and counts."""
        from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

        counter = self

        class Bar(tqdm):  # type: ignore[type-arg, misc, unused-ignore]
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                kwargs.pop("name", None)
                super().__init__(*args, **{**kwargs, "disable": True})
                counter.add(int(kwargs.get("initial") or 0))

            def update(self, n: float | None = 1) -> None:
                counter.add(int(n or 0))

        return Bar
