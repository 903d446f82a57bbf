"""Every knob of esmviz, read once from ESMVIZ_* variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from platformdirs import user_data_path

from esmviz.addresses import check_url, networks
from esmviz.errors import InvalidSettingError
from esmviz.types import Precision

PREFIX = "ESMVIZ_"
SHORTEST_PASSWORD = 8


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
    memory_reserve_mb : int
        Megabytes that shall stay free; below, results go, then idle models, and uploads are refused.
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
    password : str or None
        A shared one that opens the pages.
    oidc_url, oidc_client_id, oidc_client_secret, cookie_secret : str or None
        An OpenID Connect provider that vouches for visitors: its discovery document, what it knows esmviz by, and the
        key of the cookies of its visitors; a new one at every start without it.
    public_url : str or None
        Where visitors find this server.
    allowed_emails : str or None
        Addresses and ``@domains`` with commas; by default everybody for whom the provider vouches.
    public_snapshots : bool
        Let links to snapshots open without a login.
    open_to_all : bool
        No login on purpose: no page warns of it.
    trusted_proxies : str or None
        Networks with commas whose ``X-Forwarded-For`` is believed.
    requests_per_minute, residues_per_hour, jobs_per_visitor : int
        What one visitor may ask of the models: computations, residues that pass through one, computations at a time.
    max_jobs : int
        Computations that wait or run for all visitors together.
    job_minutes : float
        How long one computation may work.
    file_seconds : int
        Processor time that files made or read for one visitor may take within ten minutes.
    visitors_per_address : int
        An address may ask for as much as so many visitors.
    chromium : Path or None
        The Chromium or Chrome that draws figures for journals; looked for on the path without it.
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
    memory_reserve_mb: int = 500
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
    password: str | None = field(default=None, repr=False)
    oidc_url: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    cookie_secret: str | None = field(default=None, repr=False)
    public_url: str | None = None
    allowed_emails: str | None = None
    public_snapshots: bool = False
    open_to_all: bool = False
    trusted_proxies: str | None = None
    requests_per_minute: int = 120
    residues_per_hour: int = 50_000_000
    jobs_per_visitor: int = 16
    max_jobs: int = 200
    job_minutes: float = 120.0
    file_seconds: int = 120
    visitors_per_address: int = 30
    chromium: Path | None = None
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
        networks(self.metrics, "ESMVIZ_METRICS", "off", "loopback", "all")
        networks(self.trusted_proxies or "", "ESMVIZ_TRUSTED_PROXIES")
        self._check_login()
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
            check_url(f"{name}_URL", url, self.allow_plain_http)
        elif token is not None:
            raise InvalidSettingError(f"{name}_TOKEN is set and {name}_URL is not.", "Set both or none.")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise InvalidSettingError(
                f"{name}_TOKEN has a space or a letter that no token has.", "Copy it anew."
            )

    def _check_login(self) -> None:
        """Who may come in. Passwords and secrets are shown by no error."""
        if self.password is not None and len(self.password) < SHORTEST_PASSWORD:
            raise InvalidSettingError(
                "ESMVIZ_PASSWORD is too short to keep anybody out.",
                f"Take {SHORTEST_PASSWORD} letters or more.",
            )
        provider = {"OIDC_URL": self.oidc_url, "OIDC_CLIENT_ID": self.oidc_client_id}
        provider |= {"OIDC_CLIENT_SECRET": self.oidc_client_secret, "PUBLIC_URL": self.public_url}
        missing = [PREFIX + name for name, value in provider.items() if value is None]
        if missing and any(value is not None for name, value in provider.items() if name != "PUBLIC_URL"):
            raise InvalidSettingError(
                f"{', '.join(missing)} is not set.", "A login through an identity provider needs all of them."
            )
        for name, url in (("OIDC_URL", self.oidc_url), ("PUBLIC_URL", self.public_url)):
            if url is not None:
                check_url(PREFIX + name, url, self.allow_plain_http)

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
