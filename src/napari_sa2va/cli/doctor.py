"""`napari-sa2va doctor`: versions, device, what is missing and the line that mends it."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from napari_sa2va.cli.main import DONE, FAILED

if TYPE_CHECKING:
    import torch

# Module -> line that mends its absence, for what a run cannot do without.
_NEEDED = {
    "torch": "pip install torch",
    "transformers": "pip install 'transformers>=5.10'",
    "sam2": "SAM2_BUILD_CUDA=0 pip install sam2",
    "safetensors": "pip install safetensors",
    "tokenizers": "pip install tokenizers",
    "tifffile": "pip install tifffile",
    "dask": "pip install 'dask[array]'",
    "av": "pip install av",
    "pydicom": "pip install pydicom",
}
# The same for what only the dock needs.
_FOR_THE_DOCK = {"napari": "pip install 'napari-sa2va[all]'", "qtpy": "pip install qtpy"}
_QT_BINDINGS = ("PySide6", "PyQt6", "PyQt5")


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    name, value : str
    mend : str
        The command that mends it; empty if all is well.
    needed : bool
        Whether a run fails without it.
    """

    name: str
    value: str
    mend: str = ""
    needed: bool = True


def examine() -> list[Finding]:
    """Look at this Python and this machine."""
    findings = [
        Finding("napari-sa2va", _version("napari-sa2va")),
        Finding("python", sys.version.split()[0]),
    ]
    for names, needed in ((_NEEDED, True), (_FOR_THE_DOCK, False)):
        for name, mend in names.items():
            findings.append(_package(name, mend, needed))
    binding = next((b for b in _QT_BINDINGS if find_spec(b)), None)
    findings.append(
        Finding("Qt binding", f"{binding} {_version(binding)}" if binding else "missing",
                "" if binding else "pip install PySide6", needed=False)
    )  # fmt: skip
    if find_spec("torch"):
        findings += _devices()
        findings.append(_nano())
    findings.append(_torchvision())
    return findings


def _version(name: str) -> str:
    for distribution in (name, f"{name}-Essentials"):  # PySide6 also comes in parts
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def _package(name: str, mend: str, needed: bool) -> Finding:
    if find_spec(name) is None:
        return Finding(name, "missing", mend, needed)
    try:
        import_module(name)
    except Exception as error:  # a broken install can raise anything at import
        return Finding(name, f"cannot be imported: {error}", f"{mend} --force-reinstall", needed)
    return Finding(name, _version(name))


def _torchvision() -> Finding:
    """Report a torchvision that does not fit torch: transformers' models then fail to import."""
    if find_spec("torchvision") is None:
        return Finding("torchvision", "absent (not needed)", needed=False)
    try:
        import_module("torchvision")
    except Exception as error:  # a mismatch shows as RuntimeError or OSError
        return Finding("torchvision", f"broken: {error}", "pip uninstall -y torchvision")
    return Finding("torchvision", _version("torchvision"))


def _devices() -> list[Finding]:
    import torch

    from napari_sa2va.models.device import free_memory, pick_device, pick_dtype

    device = pick_device("auto")
    free = free_memory(device)
    return [
        Finding("device", f"{device} ({_device_name(device)}), {pick_dtype('auto', device)}"),
        Finding("free memory", "unknown" if free is None else f"{free / 1e9:.1f} GB"),
        Finding("threads", str(torch.get_num_threads())),
    ]


def _device_name(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else platform.processor() or platform.machine()


def _nano() -> Finding:
    from napari_sa2va.models.zoo import find

    entry = find("nano")
    if entry.folder is None:
        return Finding("model nano", "missing", "pip install --force-reinstall napari-sa2va")
    return Finding("model nano", str(entry.folder))


@click.command()
def doctor() -> int:
    """Say what is installed, which device will run, and how to mend what is missing."""
    findings = examine()
    width = max(len(f.name) for f in findings)
    for finding in findings:
        if not finding.mend:
            mark = click.style("ok", fg="green", reset=True)
        else:
            mark = click.style("!!" if finding.needed else "--", fg="red", reset=True)
        click.echo(f"{mark}  {finding.name:<{width}}  {finding.value}")
        if finding.mend:
            click.echo(f"    {'':<{width}}  mend it with: {finding.mend}")
    return FAILED if any(f.mend and f.needed for f in findings) else DONE
