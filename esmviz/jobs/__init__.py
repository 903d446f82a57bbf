"""Work that outlives a page run."""

from esmviz.jobs.job import Context, Job, Progress, Status
from esmviz.jobs.queue import Queue

__all__ = ["Context", "Job", "Progress", "Queue", "Status"]
