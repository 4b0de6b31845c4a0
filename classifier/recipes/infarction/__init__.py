"""Infarction from twelve leads, by transfer from the beat network, with patients kept apart."""
