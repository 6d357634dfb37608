"""What a DICOM header says of a person, or leads to one.

The choice follows the Basic Application Level Confidentiality Profile (PS3.15, table E.1-1). UIDs
are in it, because whoever has the archive finds the patient by them. All tags that are there are
named in `Recording.left_out`; the words of those that name somebody are looked for in paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_sa2va.core.privacy import Private, words_of_date, words_of_name
from napari_sa2va.readers.dicom.tags import items, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_NAMES = (
    "PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName",
    "ResponsiblePerson", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName",
    "NameOfPhysiciansReadingStudy", "RequestingPhysician", "PhysiciansOfRecord",
    "ConsultingPhysicianName",
)  # fmt: skip
_DATES = ("PatientBirthDate",)
_NUMBERS = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID", "PatientAddress",
    "PatientTelephoneNumbers", "InstitutionName", "InstitutionAddress",
    "DeviceSerialNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
    "FrameOfReferenceUID",
)  # fmt: skip
# Said of a person, but no words that would be looked for: "F", "050Y", "cough".
_REST = (
    "IssuerOfPatientID", "PatientBirthTime", "PatientSex", "PatientAge",
    "PatientSize", "PatientWeight", "PatientComments", "PatientState", "EthnicGroup", "Occupation",
    "AdditionalPatientHistory", "MedicalAlerts", "Allergies", "SmokingStatus", "PregnancyStatus",
    "LastMenstrualDate", "SpecialNeeds", "PatientReligiousPreference", "MilitaryRank",
    "BranchOfService", "CountryOfResidence", "RegionOfResidence", "ResponsibleOrganization",
    "StudyID", "StudyDate", "StudyTime", "SeriesDate", "SeriesTime", "AcquisitionDate",
    "AcquisitionTime", "AcquisitionDateTime", "ContentDate", "ContentTime", "StudyDescription",
    "SeriesDescription", "ProtocolName", "RequestedProcedureDescription", "ImageComments",
    "StationName", "DerivationDescription",
)  # fmt: skip


def private_of(header: Dataset) -> Private:
    """What the header says of a person: all of it by tag, and the words to look for."""
    values = {k: text(header, k) for k in (*_NAMES, *_DATES, *_NUMBERS, *_REST)}
    others = [text(item, "PatientID") for item in items(header, "OtherPatientIDsSequence")]
    values["OtherPatientIDsSequence"] = "\\".join(filter(None, others))
    known = {keyword: said for keyword, said in values.items() if said}
    words = {k: tuple(_words(k, said)) for k, said in known.items() if k not in _REST}
    return Private(known, words)


def _words(keyword: str, said: str) -> Iterable[str]:
    """What is looked for, of a tag that may have several values."""
    for one in filter(None, said.split("\\")):
        if keyword in _NAMES:
            yield from words_of_name(one)
        elif keyword in _DATES:
            yield from words_of_date(one)
        else:
            yield one
