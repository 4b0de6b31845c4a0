"""Where the rules of the transition table come from."""

from typing import Final

QUIET: Final = "Clifford et al. 2016, doi:10.1088/0967-3334/37/8/E5"
EC57: Final = "ANSI/AAMI EC57:2012"
MONITORS: Final = "IEC 60601-2-27, usual defaults of adult bedside monitors"
TECHNICAL: Final = "IEC 60601-1-8, technical alarm condition"
HRS: Final = "Kusumoto et al. 2018, doi:10.1161/CIR.0000000000000628"
ESC_VA: Final = "Zeppenfeld et al. 2022, doi:10.1093/eurheartj/ehac262"
