"""Latency, throughput and endurance."""
