"""Questionnaires: a `Survey`, its kinds of items, and conditions on earlier answers."""
