"""The population that a difference is claimed for, printed next to its p-value."""

FIXED_SET = "these personas and proposals, over repeated sampling of the model"
GENERALISING = "other personas and proposals like these"
AS_IF_SCORES = "a hypothetical design with one trial per score"
AS_IF_PERSONS = "other personas, if no two shared a trial"
"""The last two belong to tests reported for comparison with other work, or as a warning."""
