"""Work that outlives a page run."""

from esmviz.jobs.job import Context, Grant, Job, Progress, Status
from esmviz.jobs.queue import Queue

__all__ = ["Context", "Grant", "Job", "Progress", "Queue", "Status"]
