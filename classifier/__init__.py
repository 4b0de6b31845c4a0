"""Beat labels: classes, CNN, TorchScript runtime, training, evaluation; arrays in, arrays out.

docs/library.md describes what can be imported from here. Importing the package loads none of it.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from classifier.errors import ClassifierError as ClassifierError
    from classifier.errors import ModelMismatchError as ModelMismatchError
    from classifier.labels import MODEL_LABELS as MODEL_LABELS
    from classifier.labels import Label as Label
    from classifier.network.runtime import BeatModel as BeatModel
    from classifier.network.runtime import load_model as load_model
    from classifier.network.spec import ModelSpec as ModelSpec

_HOME: Final = {
    "BeatModel": "classifier.network.runtime",
    "ClassifierError": "classifier.errors",
    "Label": "classifier.labels",
    "MODEL_LABELS": "classifier.labels",
    "ModelMismatchError": "classifier.errors",
    "ModelSpec": "classifier.network.spec",
    "load_model": "classifier.network.runtime",
}
"""Where each public name is defined; it is imported when it is first used."""

__all__ = list(_HOME)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
