"""HL7 v3 PurposeOfUse: why data is used (value set 2.16.840.1.113883.1.11.20448, version 3.1.0).

A code stands for itself alone: the hierarchy of the value set is not followed, so TREAT covers neither ETREAT nor BTG.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "HMARKT": "healthcare marketing",
        "HOPERAT": "healthcare operations",
        "CAREMGT": "care management",
        "DONAT": "donation",
        "FRAUD": "fraud",
        "GOV": "government",
        "HACCRED": "health accreditation",
        "HCOMPL": "health compliance",
        "HDECD": "decedent",
        "HDIRECT": "directory",
        "HDM": "healthcare delivery management",
        "HLEGAL": "legal",
        "HOUTCOMS": "health outcome measure",
        "HPRGRP": "health program reporting",
        "HQUALIMP": "health quality improvement",
        "HSYSADMIN": "health system administration",
        "LABELING": "labeling",
        "METAMGT": "metadata management",
        "MEMADMIN": "member administration",
        "MILCDM": "military command",
        "PATADMIN": "patient administration",
        "PATSFTY": "patient safety",
        "PERFMSR": "performance measure",
        "RECORDMGT": "records management",
        "SYSDEV": "system development",
        "HTEST": "test health data",
        "TRAIN": "training",
        "HPAYMT": "healthcare payment",
        "CLMATTCH": "claim attachment",
        "COVAUTH": "coverage authorization",
        "COVERAGE": "coverage under policy or program",
        "ELIGDTRM": "eligibility determination",
        "ELIGVER": "eligibility verification",
        "ENROLLM": "enrollment",
        "MILDCRG": "military discharge",
        "REMITADV": "remittance advice",
        "HRESCH": "healthcare research",
        "BIORCH": "biomedical research",
        "CLINTRCH": "clinical trial research",
        "CLINTRCHNPC": "clinical trial research without patient care",
        "CLINTRCHPC": "clinical trial research with patient care",
        "PRECLINTRCH": "preclinical trial research",
        "DSRCH": "disease specific healthcare research",
        "POARCH": "population origins or ancestry healthcare research",
        "TRANSRCH": "translational healthcare research",
        "PATRQT": "patient requested",
        "FAMRQT": "family requested",
        "PWATRNY": "power of attorney",
        "SUPNWK": "support network",
        "PUBHLTH": "public health",
        "DISASTER": "disaster",
        "THREAT": "threat",
        "TREAT": "treatment",
        "CLINTRL": "clinical trial",
        "COC": "coordination of care",
        "ETREAT": "emergency treatment",
        "BTG": "break the glass",
        "ERTREAT": "emergency room treatment",
        "POPHLTH": "population health",
    }
)

EMERGENCY_PURPOSES = frozenset({"ETREAT", "BTG"})
