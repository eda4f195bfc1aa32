"""The one door to TensorFlow: `from towers.frameworks import keras, tf, tfrs`.

TFRS runs on Keras 2 and refuses to import unless TF_USE_LEGACY_KERAS is set before TensorFlow is loaded,
so nothing else in the project imports these packages directly.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras as keras

__all__ = ["keras", "tf", "tfrs"]
