"""Sharing a page: an exhibit goes into a snapshot, a link brings it back as it was, and nothing is computed for that."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from esmviz.errors import InvalidSettingError, QuotaExceededError, StoreUnavailableError
from esmviz.exhibit import Exhibit
from esmviz.labels import plain
from esmviz.settings import Settings

if TYPE_CHECKING:
    from esmviz.stores import Handed as Handed
    from esmviz.stores import Snapshot as Snapshot
    from esmviz.stores import Snapshots

log = logging.getLogger("esmviz")

TITLE_LETTERS, NOTE_LETTERS = 120, 2000
USUAL_DAYS = (7, 30, 365)


class Sharing:
    """The snapshots of one server, in the places that the settings name.

    Nothing is opened before the first use.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def days(self) -> list[int]:
        """Lives that can be chosen, the longest last."""
        longest = self._settings.snapshot_days
        return [days for days in USUAL_DAYS if days < longest] + [longest]

    @cached_property
    def snapshots(self) -> Snapshots:
        """The store behind."""
        from esmviz.stores import Database, Limits, Payloads, Snapshots

        given, folder = self._settings, self._settings.data_folder
        limits = Limits(
            one=given.snapshot_mb << 20,
            browser=given.snapshot_visitor_mb << 20,
            everyone=given.snapshot_total_mb << 20,
            days=given.snapshot_days,
        )
        database = Database(given.database_url or f"sqlite:///{folder.absolute() / 'esmviz.sqlite'}")
        return Snapshots(database, Payloads(given.payload_url or str(folder / "payloads")), limits)

    def share(
        self,
        exhibit: Exhibit,
        *,
        title: str = "",
        note: str = "",
        days: int = 0,
        browser: str | None = None,
        admit: Callable[[int], Callable[[], object]] = lambda n_bytes: lambda: None,
    ) -> Handed:
        """Freeze an exhibit under a new link.

        Parameters
        ----------
        exhibit : Exhibit
        title, note : str
            Text from outside; without a title the page's question is the title.
        days : int
            How long the link lives; 0 is the longest life.
        browser : str, optional
            Whose list it goes into, and whose quota it counts against.
        admit : callable, optional
            Asked with the bytes before anything is kept; raises a refusal, and returns what takes them back.

        Raises
        ------
        QuotaExceededError, StoreUnavailableError
            Nothing is kept then.
        """
        from esmviz.stores import Label

        title = " ".join(plain(title, " ").split()) or exhibit.title
        lines = [plain(line, " ").rstrip() for line in note.splitlines()]
        label = Label(title, "\n".join(lines).strip(), exhibit.page, str(exhibit.model["name"]))
        _check_length("title", label.title, TITLE_LETTERS)
        _check_length("note", label.note, NOTE_LETTERS)
        content = exhibit.to_bytes()
        take_back = admit(len(content))
        try:
            return self.snapshots.add(
                content, label, days=days or self._settings.snapshot_days, browser=browser
            )
        except BaseException:
            take_back()
            raise

    def open(self, token: str) -> tuple[Snapshot, Exhibit]:
        """What a link shows.

        Raises
        ------
        SnapshotNotFoundError, DamagedDataError, StoreUnavailableError
            Never a wrong picture.
        """
        snapshot = self.snapshots.find(token)
        return snapshot, self.content(snapshot)

    def content(self, snapshot: Snapshot) -> Exhibit:
        """The exhibit of a record."""
        return Exhibit.from_bytes(self.snapshots.content(snapshot))

    def listed(self, purge: bool) -> Iterator[str]:
        """A line for each record; with ``purge`` after what expired has been removed."""
        if purge:
            yield "removed: {} expired, {} without a record".format(*self.snapshots.sweep())
        for one in self.snapshots.everything():
            until = datetime.fromtimestamp(one.expires, UTC).date().isoformat()
            megabytes = one.n_bytes / 2**20
            yield f"{one.id[:12]}  until {until}  {megabytes:>8.2f} MB  {one.page}  {one.model}  {one.title}"

    def prepare(self) -> None:
        """At the start of a server: bring the schema up to date and sweep. A store that is not there may come later."""
        try:
            expired, orphans = self.snapshots.sweep()
        except (StoreUnavailableError, InvalidSettingError) as error:
            log.warning("snapshots cannot be shared or opened for now: %s", error)
        else:
            log.info("snapshots: %d expired, %d without a record removed", expired, orphans)


def _check_length(name: str, text: str, most: int) -> None:
    if len(text) > most:
        raise QuotaExceededError(
            f"The {name} has {len(text):,} letters; up to {most:,} are kept.", "Shorten it."
        )
