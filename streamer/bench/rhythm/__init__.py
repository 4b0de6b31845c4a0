"""Rhythm and alarms against reference annotations, on simulated onsets and in noise."""
