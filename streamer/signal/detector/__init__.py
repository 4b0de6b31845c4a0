"""Causal QRS detection: envelope maxima, judged by a small learned scorer."""
