"""Records in files of one patient that state less than WFDB does: EDF, CSV, NumPy."""
