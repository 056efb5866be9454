"""Score very large data sets with any model, the same way on every engine.

The public names; importing them imports no engine.
"""

from model_dofns.exceptions import ScoringError
from model_dofns.ml_model import MLModel
from model_dofns.model_spec import ModelSpec
from model_dofns.rejects import Reject
from model_dofns.scorer import ScoredBlock, Scorer

__all__ = ["MLModel", "ModelSpec", "Reject", "ScoredBlock", "Scorer", "ScoringError"]
