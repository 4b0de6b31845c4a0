"""Pages: Holter report, strips, plots, explained beats."""
