"""Libraries that crash when they meet."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

# A canvas is drawn first, as in napari; where Mesa draws it, its LLVM is in the process then.
CODE = """
from qtpy.QtWidgets import QApplication
from PySide6.QtOpenGLWidgets import QOpenGLWidget
app = QApplication([])
canvas = QOpenGLWidget()
canvas.show()
for _ in range(20):
    app.processEvents()
from napari_sa2va.pipeline.native_libraries import load_triton_apart
load_triton_apart()
import triton._C.libtriton
print("alive", flush=True)
import os
os._exit(0)
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="torch came without triton")
@pytest.mark.skipif(find_spec("PySide6") is None, reason="written for one of the Qt bindings")
def test_triton_can_be_loaded_after_a_canvas_was_drawn() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout.strip() == "alive", done.stderr[-2000:]
