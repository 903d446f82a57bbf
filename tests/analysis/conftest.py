"""Properties are never judged by a clock: a slow machine is no defect."""

from hypothesis import settings

settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")
