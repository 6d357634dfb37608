"""`napari-sa2va doctor`: versions, device, what is missing and the line that mends it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

import click

from napari_sa2va.cli.main import DONE, FAILED
from napari_sa2va.core.errors import RequestError

_US = "napari-sa2va"
# Libraries whose module has another name.
_MODULES = {
    "pillow": "PIL",
    "pylibjpeg-openjpeg": "openjpeg",
}
# What a run can do without, since only the dock needs it.
_FOR_THE_DOCK = ("magicgui", "napari", "qtpy")
# Not imported: QtPy complains of a missing Qt binding, which has a line of its own.
_NOT_TRIED = ("qtpy",)
_BEFORE_PIP = {"sam2": "SAM2_BUILD_CUDA=0 "}  # else its build looks for a CUDA compiler
_QT_BINDINGS = ("PySide6", "PyQt6", "PyQt5")
# By hand, since `packaging` may be what is missing.
_REQUIREMENT = re.compile(
    r"(?P<wanted>(?P<name>[\w.-]+)\s*(\[(?P<extras>[^]]*)\])?\s*(?P<versions>[^;]*?))"
    r"\s*(;\s*(?P<marker>.*))?"
)
_EXTRA = re.compile(r"""extra\s*==\s*["']([\w.-]+)["']""")
_LEAST = re.compile(r">=\s*([\d.]+)")


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


@dataclass(frozen=True)
class Library:
    """A library that is to be there.

    Attributes
    ----------
    name : str
        As the package index has it.
    mend : str
        The command that installs it.
    least : str
        The oldest version that will do; empty if any will.
    """

    name: str
    mend: str
    least: str = ""

    @property
    def module(self) -> str:
        """The name by which it is imported."""
        return _MODULES.get(self.name, self.name.replace("-", "_"))

    @property
    def needed(self) -> bool:
        """Whether a run fails without it."""
        return self.name not in _FOR_THE_DOCK


def examine() -> list[Finding]:
    """Look at this Python and this machine."""
    findings = [Finding("python", sys.version.split()[0])]
    try:
        wanted = _wanted()
        findings.append(Finding(_US, version(_US)))
    except PackageNotFoundError:
        wanted = []
        findings.append(Finding(_US, "is not installed", f"pip install {_US}"))
    findings += [_package(library) for library in wanted]
    findings.append(_package(Library("napari", mend=f"pip install '{_US}[all]'")))
    binding = next((b for b in _QT_BINDINGS if find_spec(b)), None)
    findings.append(
        Finding("Qt binding", f"{binding} {_version(binding)}" if binding else "missing",
                "" if binding else "pip install PySide6", needed=False)
    )  # fmt: skip
    if all(finding.name != "torch" or not finding.mend for finding in findings):
        findings += _devices()
    findings += _models()
    findings.append(_torchvision())
    return findings


def _wanted() -> list[Library]:
    """What installing the package brings, as the package itself declares it, each once."""
    own = list(_declared(_US))
    brought: list[re.Match[str]] = []
    for match in own:
        for extra in re.findall(r"[\w.-]+", match["extras"] or ""):
            try:
                brought += _declared(match["name"], extra)
            except PackageNotFoundError:  # has a line of its own
                break
    libraries: dict[str, Library] = {}
    for match in (*own, *brought):
        name, wanted = match["name"].lower(), match["wanted"]
        quoted = f"'{wanted}'" if wanted != name else name
        least = _LEAST.search(match["versions"])
        libraries.setdefault(
            name,
            Library(
                name,
                f"{_BEFORE_PIP.get(name, '')}pip install {quoted}",
                least[1] if least else "",
            ),
        )
    return list(libraries.values())


def _declared(name: str, extra: str = "") -> Iterator[re.Match[str]]:
    """Requirements of a library, without its extras or of one extra alone."""
    for line in requires(name) or []:
        match = _REQUIREMENT.fullmatch(line)
        if match is None:
            continue
        marker = match["marker"] or ""
        of = _EXTRA.fullmatch(marker)
        # What depends on the platform is passed over: whether it applies is for pip to say.
        if (of[1] if of else marker) == extra:
            yield match


def is_enough(installed: str, least: str) -> bool:
    """Whether a version is `least` or later, by its leading numbers; one without any is."""
    found, needed = (_numbers(text) for text in (installed, least))
    return not found or found >= needed


def _numbers(version: str) -> tuple[int, ...]:
    leading = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in leading[0].split(".")] if leading else []
    while numbers and numbers[-1] == 0:  # 2.6 is 2.6.0
        numbers.pop()
    return tuple(numbers)


def _version(name: str) -> str:
    for distribution in (name, f"{name}-Essentials"):  # PySide6 also comes in parts
        try:
            return version(distribution)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def _package(library: Library) -> Finding:
    name, mend, needed = library.name, library.mend, library.needed
    if find_spec(library.module) is None:
        return Finding(name, "missing", mend, needed)
    if name not in _NOT_TRIED:
        try:
            import_module(library.module)
        except Exception as error:  # a broken install can raise anything at import
            mend = f"{mend} --force-reinstall"
            return Finding(name, f"cannot be imported: {error}", mend, needed)
    installed = _version(name)
    if not is_enough(installed, library.least):
        mend = mend.replace("pip install", "pip install --upgrade")
        return Finding(name, f"{installed}, but >={library.least} is needed", mend, needed)
    return Finding(name, installed, needed=needed)


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
    from napari_sa2va.models.device import describe_devices

    try:
        return [Finding(f"device {name}", text) for name, text in describe_devices()]
    except Exception as error:  # a driver can fail in any way, and this is where to say so
        return [Finding("device", f"cannot be asked: {error}", "--device cpu, or another GPU")]


def _models() -> Iterator[Finding]:
    from napari_sa2va.models import hub, store
    from napari_sa2va.models.zoo import find

    nano = find("nano").folder
    mend = "" if nano else "pip install --force-reinstall napari-sa2va"
    yield Finding("model nano", str(nano or "missing"), mend)
    yield Finding("other models", str(store.home()), needed=False)
    source = "offline, nothing is downloaded" if hub.is_offline() else _hub_address()
    yield Finding("model hub", source, needed=False)


def _hub_address() -> str:
    from napari_sa2va.models import hub

    try:
        return hub.shown(hub.endpoint_of())
    except RequestError as error:
        return error.message


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
