"""From a beat dataset to weights, metrics and model card."""
