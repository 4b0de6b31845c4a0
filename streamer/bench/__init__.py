"""Benchmarks: every number the README states is printed by one of these."""
