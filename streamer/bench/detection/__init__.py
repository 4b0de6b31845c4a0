"""QRS detection beside its peers, and on changed recordings."""
