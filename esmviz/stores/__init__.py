"""What outlives the process: records in a database, payloads as files or in object storage."""

from esmviz.stores.database import Database
from esmviz.stores.payloads import Payloads
from esmviz.stores.snapshots import Handed, Label, Limits, Snapshot, Snapshots

__all__ = ["Database", "Handed", "Label", "Limits", "Payloads", "Snapshot", "Snapshots"]
