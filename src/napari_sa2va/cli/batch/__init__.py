"""`napari-sa2va batch` and its commands."""
