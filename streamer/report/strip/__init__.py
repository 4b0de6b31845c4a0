"""A strip of ECG on chart paper, as SVG and PNG."""
