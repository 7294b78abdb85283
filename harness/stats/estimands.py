"""What a difference is claimed for, in words that are printed beside its p-value."""

FIXED_SET = "these personas and these proposals; the model's replies drawn anew"
GENERALISING = "other personas and other proposals like these"
AS_IF_SCORES = "none of this design: as if every score came from a trial of its own"
AS_IF_PERSONS = "other personas, as if no two of them had shared a trial"
"""Of tests that are given for parity or as a warning."""
