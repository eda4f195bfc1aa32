"""Where TensorFlow computes: `auto`, `cpu` or `cuda`."""

from __future__ import annotations

from catalog.errors import ConfigError
from towers.frameworks import tf


def use_device(device: str) -> None:
    """Make later computations use a device.

    Raises:
        ConfigError: an unknown name, or `cuda` where TensorFlow sees no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"expected device auto, cpu or cuda, got {device!r}")
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not gpus:
        raise ConfigError(
            "device cuda was asked for, but TensorFlow sees no GPU here; use --device auto or cpu"
        )
    visible = [] if device == "cpu" else gpus
    if tf.config.get_visible_devices("GPU") != visible:
        tf.config.set_visible_devices(visible, "GPU")
