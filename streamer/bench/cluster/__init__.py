"""Wards of several processes, hurt and measured."""
