"""The loop from sources through patients to sinks."""
