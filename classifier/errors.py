"""What can go wrong with a model or a data set."""


class ClassifierError(Exception):
    """Base of everything the classifier package raises on purpose."""


class ModelMismatchError(ClassifierError):
    """A model and its sidecar, or the sidecar and the chain, don't agree."""


class DatasetError(ClassifierError):
    """A beat dataset is missing, damaged or breaks the evaluation rules."""
