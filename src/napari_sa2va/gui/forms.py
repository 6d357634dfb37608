"""Forms read off settings classes: title, description, bounds and choices of every field.

A new setting, or a new rule in a room such as `sampling/`, appears here without a line of GUI code.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection
from typing import Any, Literal, Union, get_args, get_origin

from magicgui.widgets import create_widget
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_sa2va.core.errors import RequestError
from napari_sa2va.core.params import Params
from napari_sa2va.gui.eliding import ElidingCombo, may_shrink
from napari_sa2va.gui.wheel_guard import guard_wheel

# Where a field names no upper bound, the spin box needs one.
_NO_BOUND = 1_000_000


class ParamsForm(QWidget):
    """A form for one settings class.

    Parameters
    ----------
    cls : type of Params
        The class may hold other settings classes and tagged unions of them.
    leave_out : collection of str
        Fields that are asked for elsewhere; they keep the value last set.
    """

    changed = Signal()

    def __init__(
        self,
        cls: type[Params],
        leave_out: Collection[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._cls = cls
        self._kept: dict[str, Any] = {}
        self._editors: dict[str, _Editor] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        for name, field in cls.model_fields.items():
            if name in leave_out or name == "kind":
                self._kept[name] = field.get_default(call_default_factory=True)
                continue
            editor = _editor_of(name, field)
            editor.changed.connect(self.changed)
            self._editors[name] = editor
            _add_row(layout, editor)

    @property
    def has_rows(self) -> bool:
        """Whether there is anything to fill in."""
        return bool(self._editors)

    def value(self, **elsewhere: Any) -> Params:
        """Return what the form says.

        Parameters
        ----------
        **elsewhere
            Values of fields that were left out, instead of those kept.

        Raises
        ------
        RequestError
            If the class refuses a value.
        """
        values = {name: editor.value() for name, editor in self._editors.items()}
        try:
            return self._cls(**self._kept | values | elsewhere)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            title = self._cls.model_fields[name].title or name if name else self._cls.__name__
            raise RequestError(
                f"{title}: {first['input']!r} is not allowed. {first['msg']}.",
                "Change it in the dock.",
            ) from None

    def set_value(self, params: Params) -> None:
        """Show other settings; `changed` is emitted once."""
        was_blocked = self.blockSignals(True)
        for name in self._kept:
            self._kept[name] = getattr(params, name)
        for name, editor in self._editors.items():
            editor.set_value(getattr(params, name))
        self.blockSignals(was_blocked)
        self.changed.emit()


class _Editor(QWidget):
    """Edits one field."""

    changed = Signal()
    wide = False
    """Whether it takes the whole row, its title included."""

    def __init__(self, title: str, tip: str) -> None:
        super().__init__()
        self.title = title
        self.tip = tip
        self.setToolTip(tip)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)

    def value(self) -> Any:
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        raise NotImplementedError

    def _hold(self, widget: QWidget) -> None:
        widget.setToolTip(self.tip)
        widget.setAccessibleName(self.title)
        widget.setAccessibleDescription(self.tip)
        self._layout.addWidget(widget)
        self.setFocusProxy(widget)
        guard_wheel(widget)


class _PlainEditor(_Editor):
    """A number, a text, a flag or a choice, by the widget that magicgui has for its type."""

    def __init__(self, title: str, tip: str, name: str, field: FieldInfo) -> None:
        super().__init__(title, tip)
        options = _bounds(field) if field.annotation in (int, float) else {}
        widget: Any = create_widget(
            value=field.get_default(call_default_factory=True),
            annotation=field.annotation,
            name=name,
            label=title,
            options=options,
        )
        self._widget = widget
        native = widget.native
        if isinstance(native, QCheckBox):
            native.setText(title)
            self.wide = True
        if isinstance(native, QComboBox):
            may_shrink(native)
        self._hold(native)
        widget.changed.connect(self._emit)

    def value(self) -> Any:
        return self._widget.value

    def set_value(self, value: Any) -> None:
        self._widget.value = value

    def _emit(self) -> None:
        self.changed.emit()


class _NumbersEditor(_Editor):
    """Whole numbers separated by commas."""

    def __init__(self, title: str, tip: str, field: FieldInfo) -> None:
        super().__init__(title, tip)
        self._line = QLineEdit()
        self._line.setPlaceholderText("0, 10, 20")
        self._hold(self._line)
        self.set_value(field.get_default(call_default_factory=True))
        self._line.editingFinished.connect(self.changed)

    def value(self) -> tuple[int, ...]:
        words = [w for w in re.split(r"[,;\s]+", self._line.text()) if w]
        try:
            return tuple(int(w) for w in words)
        except ValueError:
            raise RequestError(
                f"{self.title}: {self._line.text()!r} is not a list of whole numbers.",
                "Write them with commas, for example 0, 10, 20.",
            ) from None

    def set_value(self, value: tuple[int, ...]) -> None:
        self._line.setText(", ".join(str(v) for v in value))


class _GroupEditor(_Editor):
    """A settings class inside a settings class."""

    wide = True

    def __init__(self, title: str, tip: str, cls: type[Params]) -> None:
        super().__init__(title, tip)
        self._layout.setContentsMargins(0, 6, 0, 0)
        self._layout.addWidget(heading(title))
        self._form = ParamsForm(cls)
        self._form.changed.connect(self.changed)
        self._layout.addWidget(self._form)

    def value(self) -> Params:
        return self._form.value()

    def set_value(self, value: Params) -> None:
        self._form.set_value(value)


class _ChoiceEditor(_Editor):
    """One of several settings classes: a combo box, a line that explains it, and its form."""

    wide = True

    def __init__(
        self, title: str, tip: str, classes: tuple[type[Params], ...], start: Params
    ) -> None:
        super().__init__(title, tip)
        self._classes = classes
        self._combo = ElidingCombo()
        for cls in classes:
            self._combo.addItem(_words_of(cls.__name__))
        self._explained = quiet_label()
        label = heading(title)
        label.setToolTip(tip)
        label.setBuddy(self._combo)
        self._layout.setContentsMargins(0, 6, 0, 0)
        self._layout.addWidget(label)
        self._hold(self._combo)
        self._layout.addWidget(self._explained)
        self._forms = [ParamsForm(cls) for cls in classes]
        for form in self._forms:
            form.changed.connect(self.changed)
            self._layout.addWidget(form)
        self._combo.currentIndexChanged.connect(self._show_form)
        self.set_value(start)

    def value(self) -> Params:
        return self._forms[self._combo.currentIndex()].value()

    def set_value(self, value: Params) -> None:
        index = self._classes.index(type(value))
        self._forms[index].set_value(value)
        self._combo.setCurrentIndex(index)
        self._show_form(index)

    def _show_form(self, index: int) -> None:
        for i, form in enumerate(self._forms):
            form.setVisible(i == index and form.has_rows)
        self._explained.setText(summary_of(self._classes[index]))
        self.changed.emit()


def heading(text: str) -> QLabel:
    """A label in bold; bold by font, so that the theme keeps its say on colours."""
    label = QLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def quiet_label() -> QLabel:
    """A wrapped label for what explains the line above it, in italics: themes have no quiet colour
    that is easy to read."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    font = label.font()
    font.setItalic(True)
    label.setFont(font)
    return label


def summary_of(cls: type) -> str:
    """The first paragraph of a class's docstring as plain text; a number of things is called N."""
    text = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0]
    return re.sub(r"`num_\w+`", "N", " ".join(text.split())).replace("`", "")


def _editor_of(name: str, field: FieldInfo) -> _Editor:
    title = field.title or _words_of(name)
    tip = field.description or ""
    kinds = _settings_classes(field.annotation)
    if len(kinds) > 1:
        return _ChoiceEditor(title, tip, kinds, field.get_default(call_default_factory=True))
    if kinds:
        return _GroupEditor(title, tip, kinds[0])
    if get_origin(field.annotation) is tuple:
        return _NumbersEditor(title, tip, field)
    if field.annotation in (int, float, str, bool) or get_origin(field.annotation) is Literal:
        return _PlainEditor(title, tip, name, field)
    raise TypeError(f"No editor for the field {name!r} of type {field.annotation}.")


def _settings_classes(annotation: Any) -> tuple[type[Params], ...]:
    members = (
        get_args(annotation)
        if get_origin(annotation) in (Union, types.UnionType)
        else (annotation,)
    )
    return tuple(m for m in members if isinstance(m, type) and issubclass(m, Params))


def _bounds(field: FieldInfo) -> dict[str, Any]:
    options: dict[str, Any] = {"min": -_NO_BOUND, "max": _NO_BOUND}
    for rule in field.metadata:
        for option, name, step in (("min", "ge", 0), ("max", "le", 0), ("min", "gt", 1)):
            bound = getattr(rule, name, None)
            if bound is not None:
                options[option] = bound + step if field.annotation is int else bound
    return options


def _words_of(name: str) -> str:
    """CamelCase or snake_case as words: KeyFramesOnly -> Key frames only."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
    return spaced[:1].upper() + spaced[1:]


def _add_row(layout: QFormLayout, editor: _Editor) -> None:
    if editor.wide:
        layout.addRow(editor)
        return
    label = QLabel(editor.title)
    label.setToolTip(editor.tip)
    label.setBuddy(editor.focusProxy() or editor)
    layout.addRow(label, editor)
