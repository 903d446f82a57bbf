"""Every knob of esmviz, read once from ESMVIZ_* variables."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from platformdirs import user_data_path

from esmviz.errors import InvalidSettingError
from esmviz.types import Precision

PREFIX = "ESMVIZ_"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """Knobs with their defaults; ``Settings.from_env()`` reads e.g. ``ESMVIZ_MAX_RECORDS``.

    Attributes
    ----------
    models_dir : Path or None
        Folder whose sub-folders and ``.pt`` or ``.pth`` files are checkpoints offered beside the catalogue.
    default_model : str
        Model a first visit opens with.
    device : str
        ``auto`` (a CUDA GPU where there is one), ``cpu`` or ``cuda``.
    precision : str
        ``auto``, or one precision for everything.
    offline : bool
        Never ask the hub for anything, and send nothing to a server that hosts models.
    allow_downloads : bool
        Let visitors download models of the catalogue onto this machine's disk.
    max_upload_mb, max_records, max_residues, max_length : int
        Limits of one upload: megabytes after decompression, records, residues in all, residues of one protein.
    max_map_residues : int
        Longest protein whose residue x residue maps are computed; a map of 4096 residues takes 64 MiB.
    window_above : int
        Longest protein that runs in one piece, where the model takes it; longer ones run in windows.
    cache_mb : int
        Bound of the results kept in memory.
    model_memory_fraction : float
        Share of the free memory that one model may take.
    heartbeat_seconds : float
        A job that no page asks for during this time is dropped.
    session_hours : float
        How long after their last look visitors find their proteins and choices again.
    session_mb, session_visitors : int
        Bound of what is kept in memory for them: megabytes, and browsers; the longest unseen goes first.
    warm_up : bool
        Import torch and umap and load the default model in the background at start.
    biolm_url, biolm_token, biolm_models : str or None
        Base address of a server that speaks the BioLM format, its token, and the models it is asked for, with commas.
    biohub_url, biohub_token : str or None
        Address of Biohub, and its API key.
    service_timeout_seconds : float
        How long such a server may take to answer one request.
    allow_plain_http : bool
        Let sequences and tokens travel unencrypted to a server that is not this machine.
    data_dir : Path or None
        Folder for what visitors keep; by default the one for data of the account that runs esmviz.
    database_url, payload_url : str or None
        Where records and payloads of snapshots are kept; by default SQLite and files in the data folder.
    metrics : str
        Who may read ``/metrics``: ``off``, ``loopback``, ``all``, or networks with commas.
    log_format : str
        ``plain``, or ``json`` for one object a line and a line for every computation.
    snapshot_days : int
        Longest life of a snapshot.
    snapshot_mb, snapshot_visitor_mb, snapshot_total_mb : int
        Megabytes of one snapshot, of those of one visitor, and of all.
    """

    models_dir: Path | None = None
    default_model: str = "mini"
    device: str = "auto"
    precision: Precision = "auto"
    offline: bool = False
    allow_downloads: bool = True
    max_upload_mb: int = 50
    max_records: int = 10_000
    max_residues: int = 5_000_000
    max_length: int = 40_000
    max_map_residues: int = 4096
    window_above: int = 4096
    cache_mb: int = 512
    model_memory_fraction: float = 0.8
    heartbeat_seconds: float = 30.0
    session_hours: float = 12.0
    session_mb: int = 256
    session_visitors: int = 1000
    warm_up: bool = True
    biolm_url: str | None = None
    biolm_token: str | None = field(default=None, repr=False)
    biolm_models: str | None = None
    biohub_url: str | None = None
    biohub_token: str | None = field(default=None, repr=False)
    service_timeout_seconds: float = 60.0
    allow_plain_http: bool = False
    data_dir: Path | None = None
    database_url: str | None = field(default=None, repr=False)  # may hold a password
    payload_url: str | None = field(default=None, repr=False)
    metrics: str = "off"
    log_format: str = "plain"
    snapshot_days: int = 3650
    snapshot_mb: int = 100
    snapshot_visitor_mb: int = 500
    snapshot_total_mb: int = 10_000

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise InvalidSettingError(
                f"ESMVIZ_PRECISION is {self.precision!r}.", f"One of {', '.join(get_args(Precision))}."
            )
        if self.log_format not in ("plain", "json"):
            raise InvalidSettingError(f"ESMVIZ_LOG_FORMAT is {self.log_format!r}.", "It is plain or json.")
        networks(self.metrics)
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
                raise InvalidSettingError(f"{PREFIX}{knob.name.upper()} is {value}.", "It must be above 0.")
        for service in ("biolm", "biohub"):
            self._check_service(service)

    def _check_service(self, service: str) -> None:
        """Address and token of a server that hosts models. A token is a secret: no error shows it."""
        url, token = getattr(self, f"{service}_url"), getattr(self, f"{service}_token")
        name = f"{PREFIX}{service.upper()}"
        if url is not None:
            _check_url(f"{name}_URL", url, self.allow_plain_http)
        elif token is not None:
            raise InvalidSettingError(f"{name}_TOKEN is set and {name}_URL is not.", "Set both or none.")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise InvalidSettingError(
                f"{name}_TOKEN has a space or a letter that no token has.", "Copy it anew."
            )

    @property
    def data_folder(self) -> Path:
        """``data_dir``, or its default."""
        return user_data_path("esmviz") if self.data_dir is None else self.data_dir

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises
        ------
        InvalidSettingError
            For an ``ESMVIZ_*`` name that is no setting, or a value that cannot be read.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + knob.name.upper(): knob for knob in fields(cls)}
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        for name in given.keys() - known.keys():
            raise InvalidSettingError(
                f"{name} is no setting of esmviz.", f"There are {', '.join(sorted(known))}."
            )
        values = {known[name].name: _parse(name, text, str(known[name].type)) for name, text in given.items()}
        return cls(**values)


def networks(metrics: str) -> tuple[Network, ...]:
    """The networks from which numbers may be read.

    >>> networks("loopback"), networks("10.0.0.0/8, ::1")[1]
    ((IPv4Network('127.0.0.0/8'), IPv6Network('::1/128')), IPv6Network('::1/128'))
    """
    words = {"off": "", "loopback": "127.0.0.0/8,::1", "all": "0.0.0.0/0,::/0"}
    texts = words.get(metrics, metrics).split(",")
    try:
        return tuple(ipaddress.ip_network(text.strip()) for text in texts if text.strip())
    except ValueError:
        raise InvalidSettingError(
            f"ESMVIZ_METRICS is {metrics!r}.", "It is off, loopback, all, or networks as 10.0.0.0/8,::1."
        ) from None


def _parse(name: str, text: str, kind: str) -> Any:
    try:
        match kind:
            case "bool":
                return {"1": True, "true": True, "0": False, "false": False}[text.strip().lower()]
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "Path | None":
                return Path(text).expanduser() if text.strip() else None
            case "str | None":
                return text.strip() or None
    except (KeyError, ValueError):
        raise InvalidSettingError(
            f"{name} is {text!r}, which is no {kind}.", "Correct it or unset it."
        ) from None
    return text.strip()


def _check_url(name: str, url: str, allow_plain_http: bool) -> None:
    """An address to which sequences and a token may go."""
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password or parts.query or parts.fragment
        _ = parts.port
    except ValueError:
        host = secret = None
    if not host or parts.scheme not in ("https", "http") or secret:
        raise InvalidSettingError(
            f"{name} is no address of a server.",  # not repeated: it may hold a password
            "It looks like https://host/path, without a name, a password or a question mark.",
        )
    if parts.scheme == "http" and not (allow_plain_http or _is_loopback(host)):
        raise InvalidSettingError(
            f"{name} is plain http to {host}: sequences and the token would travel for all to read.",
            "Use https, or set ESMVIZ_ALLOW_PLAIN_HTTP=1 where the network is yours.",
        )


def _is_loopback(host: str) -> bool:
    """Whether a host is this machine.

    >>> [_is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "localhost.example.org", "10.0.0.1")]
    [True, True, True, False, False]
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
