"""What the pictures in docs/images are made by; `docs/make_screenshots.py` starts it."""
