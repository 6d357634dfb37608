"""What a DICOM header says of a person, or leads to one.

The choice follows the Basic Application Level Confidentiality Profile (PS3.15, table E.1-1). UIDs
are in it, because whoever has the archive finds the patient by them. All tags that are there are
named in `Recording.left_out`; the words of those that name somebody are kept, in memory, so that
they can be taken out of paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_sa2va.core.privacy import Private, words_of_date, words_of_name
from napari_sa2va.readers.dicom_tags import items, text, value

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
    "PatientID", "OtherPatientIDs", "AccessionNumber", "AdmissionID", "PatientInsurancePlanCodeSequence",
    "PatientAddress", "PatientTelephoneNumbers", "InstitutionName", "InstitutionAddress",
    "DeviceSerialNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
    "FrameOfReferenceUID",
)  # fmt: skip
# Said of a person, but no words that would be looked for: "F", "050Y", "cough".
_REST = (
    "IssuerOfPatientID", "OtherPatientIDsSequence", "PatientBirthTime", "PatientSex", "PatientAge",
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
    """The words that name a person, by tag."""
    found: dict[str, tuple[str, ...]] = {}
    for keywords, split in (
        (_NAMES, words_of_name), (_DATES, words_of_date), (_NUMBERS, _values),
    ):  # fmt: skip
        for keyword in keywords:
            words = tuple(w for said in _values(text(header, keyword)) for w in split(said))
            if words:
                found[keyword] = words
    others = [text(i, "PatientID") for i in items(header, "OtherPatientIDsSequence")]
    if any(others):
        found["OtherPatientIDsSequence"] = tuple(filter(None, others))
    return Private(found)


def left_out_of(header: Dataset) -> tuple[str, ...]:
    """Names of the tags that say something of a person, in the order of the profile."""
    keywords = (*_NAMES, *_DATES, *_NUMBERS, *_REST)
    return tuple(k for k in keywords if k in header and value(header, k) is not None)


def _values(said: str) -> Iterable[str]:
    """The values of a tag that may have several."""
    return filter(None, said.split("\\"))
