"""Which MIT-BIH records may be trained on, and which are opened only to report.

The inter-patient division of de Chazal et al. 2004 (doi:10.1109/TBME.2004.827359).
"""

from typing import Final

DS1: Final[tuple[str, ...]] = tuple(
    "101 106 108 109 112 114 115 116 118 119 122 124 "
    "201 203 205 207 208 209 215 220 223 230".split()
)
"""Training records."""

DS2: Final[tuple[str, ...]] = tuple(
    "100 103 105 111 113 117 121 123 200 202 210 212 213 214 "
    "219 221 222 228 231 232 233 234".split()
)
"""Test records: opened to report, never to choose."""

PACED: Final[tuple[str, ...]] = ("102", "104", "107", "217")
"""Records with paced beats, left out of beat classification (AAMI EC57)."""
