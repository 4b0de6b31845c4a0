"""Beat labels end to end, as EC57 asks."""
