"""The errors that Towerbridge raises on purpose.

    RecommenderError
    ├── ConfigError      a setting, flag or dataset.toml is wrong
    ├── DataError        raw files or records are not what was declared
    ├── StoreError       MongoDB cannot be reached or refused an operation
    ├── BundleError      a bundle is missing, damaged, mixed or of an unknown format
    └── NotReadyError    a step was asked for before the one it depends on

A message says what was expected, what came, where, and what to do. The CLI turns every one of them
into exit code 2; serving maps them to problem JSON in `serving.http.problems`. An unknown user or item is
not an error anywhere: it is the cold-start path.
"""


class RecommenderError(Exception):
    """Base of everything below; never raised itself."""


class ConfigError(RecommenderError):
    """A setting, flag or declaration is wrong."""


class DataError(RecommenderError):
    """Raw files or records are not what was declared."""


class StoreError(RecommenderError):
    """MongoDB cannot be reached or refused an operation."""


class BundleError(RecommenderError):
    """A bundle is missing, damaged, mixed or of an unknown format."""


class NotReadyError(RecommenderError):
    """A step was asked for before the one it depends on."""
