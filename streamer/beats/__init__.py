"""R peaks to labelled beats: windows, questions to the network, batches, accounts."""
