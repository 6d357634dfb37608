"""What the manifest names: thin functions. Importing them loads no torch, no napari and no Qt."""
