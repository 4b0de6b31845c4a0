"""Detection in noise."""
