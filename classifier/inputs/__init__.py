"""What the network sees of a beat: windows, measures, the memory of a patient."""
