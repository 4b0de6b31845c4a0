"""Drawing in a terminal: colours, lines, dots, keys; knows nothing of ECG."""
