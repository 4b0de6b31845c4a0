"""Recorded and simulated ECG in: find, download, open, play, reference annotations, noise."""
