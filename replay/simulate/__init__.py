"""Simulated records: beats, rhythms, arrests, faults and the demo."""
