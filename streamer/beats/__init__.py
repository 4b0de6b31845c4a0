"""R peaks to labelled beats: windows, label requests, batches, accounts."""
