"""The study of real demand: trained and fitted on the earlier records, judged on the later ones."""

from .policies import POLICIES
from .series import SERIES
from .study import plan, study

__all__ = ["POLICIES", "SERIES", "plan", "study"]
