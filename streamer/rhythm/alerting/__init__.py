"""Whom to tell of alarms, how often and until when."""
