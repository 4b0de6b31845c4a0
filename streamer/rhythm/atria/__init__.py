"""Atrial fibrillation, beat by beat: intervals, P waves, a hidden Markov model."""
