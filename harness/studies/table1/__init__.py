"""Table 1 of the TinyTroupe paper: four experiments, Control against Treatment.

The settings are those of the published notebooks (`settings`). The words are the packaged ones, written for
this project, or come out of the notebooks themselves when a folder of them is given.
"""

from harness.studies.table1.experiments import load
from harness.studies.table1.settings import TABLE, Settings

__all__ = ["TABLE", "Settings", "load"]
