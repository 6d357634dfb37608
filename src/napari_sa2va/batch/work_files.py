"""Names of the files in the work folder of a unit, beside the segments of its masks and outputs."""

RECORD = "record.json"
"""What is known of the run."""

TABLE = "objects.csv"
"""A row per object and frame."""

SHEET = "sheet.png"
"""Some frames with their masks."""

LAST = "last.png"
"""The frame that was done last, with its masks."""

SAFE_POINT = "safe.safetensors"
"""Where a run goes on."""

WORK_FILES = (RECORD, TABLE, SHEET, LAST, SAFE_POINT)
