"""Training data and training of all that is learned, with their reports."""
