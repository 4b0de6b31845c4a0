"""Wards over several processes and machines, on Ray: placed, supervised and restarted by it."""
