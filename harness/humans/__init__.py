"""Layer 2: people's own answers to a survey's items, from microdata, and the comparison of a run with them."""

from harness.humans.binding import Binding, proposed
from harness.humans.dataset import Humans, load_humans
from harness.humans.microdata import Microdata, read_microdata

__all__ = ["Binding", "Humans", "Microdata", "load_humans", "proposed", "read_microdata"]
