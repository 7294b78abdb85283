"""The journal: every accepted reply of a run, on disk before its trial sees it."""
