"""Samples from Lab Streaming Layer (LSL) streams."""
