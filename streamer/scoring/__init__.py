"""EC57: matching of beats, scores, runs, episodes, annotation files."""
