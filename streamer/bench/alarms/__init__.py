"""Alarms on recordings of intensive care and of lethal arrhythmias: which come, which are false."""
