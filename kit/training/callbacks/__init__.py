"""What follows a fit of the kit's own, each one job: snapshots, deadline, seeds, loss, history, validation, report."""

from kit.training.callbacks.deadline import Deadline
from kit.training.callbacks.first_epoch import FirstEpoch
from kit.training.callbacks.history import FiniteLoss, History, Report
from kit.training.callbacks.seeds import Seeds
from kit.training.callbacks.snapshots import Snapshots
from kit.training.callbacks.validation import Validation

__all__ = ["Deadline", "FiniteLoss", "FirstEpoch", "History", "Report", "Seeds", "Snapshots", "Validation"]
