"""The identity of the code that a run is made by."""
