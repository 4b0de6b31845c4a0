"""Beats and signal to rhythm, alarms and alerts: one definition of each clinical rule."""
