"""Samples to R peaks: resampling, band-pass, recent samples, QRS detection."""
