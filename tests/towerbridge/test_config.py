"""Settings: what wins, what is refused, and that the printed file cannot drift from the model."""

import tomllib
from pathlib import Path

import pytest

from catalog.errors import ConfigError
from towerbridge.config import Config, commented, load, unknown_variables, variable_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "towerbridge.toml"
    path.write_text('dataset = "movielens-100k"\n[serve]\nport = 9001\nworkers = 2\n')
    return path


def test_without_anything_the_defaults_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load(None, {}) == Config()


def test_file_beats_default_environment_beats_file_flag_beats_both(file):
    assert load(file, {}).serve.port == 9001
    assert load(file, {"TOWERBRIDGE_SERVE_PORT": "9002"}).serve.port == 9002
    assert load(file, {"TOWERBRIDGE_SERVE_PORT": "9002"}, {"serve.port": 9003}).serve.port == 9003
    assert load(file, {"TOWERBRIDGE_SERVE_PORT": "9002"}, {"serve.port": 9003}).serve.workers == 2


def test_a_flag_that_was_not_given_and_an_empty_variable_change_nothing(file):
    assert load(file, {"TOWERBRIDGE_DATASET": ""}, {"dataset": None}).dataset == "movielens-100k"


def test_the_file_of_the_current_folder_is_read(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert load(None, {}).dataset == "movielens-100k"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[serve]\nprot = 1\n", "unknown key 'serve.prot'; did you mean 'serve.port'?"),
        ("qwertyuiop = 1\n", "unknown key 'qwertyuiop'; `towerbridge config` prints all that there are"),
        ("[nowhere]\nx = 1\n", "unknown key 'nowhere.x'"),
        ("[empty]\n", "unknown key 'empty'"),
        ("serve = 3\n", "unknown key 'serve'"),
        ('[serve]\nport = "many"\n', "serve.port = 'many': input should be a valid integer"),
        ("[serve]\nport = 70000\n", "serve.port = 70000: input should be less than or equal to 65535"),
        ('device = "tpu"\n', "device = 'tpu': input should be 'auto', 'cpu' or 'cuda'"),
        ("dataset = \n", "cannot be read as TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_sentence_that_names_it(file, text, said):
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value) or "TOML" in said


def test_a_wrong_value_is_blamed_on_the_place_it_came_from(file):
    with pytest.raises(ConfigError, match=r"^TOWERBRIDGE_SERVE_WORKERS: serve.workers = 'x': "):
        load(file, {"TOWERBRIDGE_SERVE_WORKERS": "x"})
    with pytest.raises(ConfigError, match=r"^--port: serve.port = -1: "):
        load(file, {}, {"serve.port": -1})


def test_a_settings_file_that_was_named_must_exist(tmp_path):
    with pytest.raises(ConfigError, match="there is no such settings file"):
        load(tmp_path / "absent.toml", {})


def test_variables_follow_the_keys():
    assert variable_of("data") == "TOWERBRIDGE_DATA"
    assert variable_of("mongodb.uri") == "TOWERBRIDGE_MONGODB_URI"
    assert variable_of("train.learning_rate") == "TOWERBRIDGE_TRAIN_LEARNING_RATE"


def test_variables_that_are_no_settings_are_found_but_not_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # What Kubernetes injects beside a service that is called towerbridge.
    environ = {"TOWERBRIDGE_PORT": "tcp://10.0.0.1:8000", "TOWERBRIDGE_HOME": "x", "PATH": "/bin"}
    assert load(None, environ).home == Path("x")
    assert unknown_variables(environ) == ["TOWERBRIDGE_PORT"]


def test_every_default_of_the_printed_file_is_the_default():
    text = commented()
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line and line[2].islower() else line
        for line in text.splitlines()
    )
    document = tomllib.loads(uncommented)
    flat = {
        f"{name}.{key}" if isinstance(value, dict) else name: inner
        for name, value in document.items()
        for key, inner in (value.items() if isinstance(value, dict) else [(name, value)])
    }
    defaults = Config().model_dump(mode="json")
    expected = {
        f"{name}.{key}" if isinstance(value, dict) else name: "" if inner in (None, {}) else inner
        for name, value in defaults.items()
        for key, inner in (value.items() if isinstance(value, dict) else [(name, value)])
    }
    assert flat == expected


def test_the_printed_file_can_be_used_as_it_is(file):
    file.write_text(commented())
    assert load(file, {}) == Config()


def test_an_empty_text_in_the_file_means_nothing(file):
    file.write_text('data = ""\n[mongodb]\nuri = ""\n')
    assert load(file, {}) == Config()


def test_defaults_are_those_of_the_layers_below():
    from dataclasses import asdict

    from catalog.simulated.world import Size
    from embeddings import choose
    from serving.settings import Settings

    assert Config().simulated.model_dump() == asdict(Size())
    shared = {"home", "dataset", "mongodb_uri", "admin_key", "counts"}
    fields = {name: field for name, field in Settings.model_fields.items() if name not in shared}
    assert Config().serve.model_dump() == {name: field.default for name, field in fields.items()}
    assert Config().encoders.text == choose.Choice().text
    assert Config().encoders.image == choose.Choice().image
