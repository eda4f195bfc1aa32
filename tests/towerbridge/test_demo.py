"""The lines that the demo prints for people to paste: a shell must read them as they are meant."""

import json
import subprocess

from towerbridge.commands.demo import _curls


def read_by_a_shell(printed):
    """The arguments of each `curl` of the text, as bash hands them over."""
    text = "\n".join(
        line for line in printed.splitlines() if not line.startswith("Try") and "open http" not in line
    )
    # The shell's own function in place of curl: it ends each argument with a NUL and each call with a newline.
    script = f"curl() {{ printf '%s\\0' \"$@\"; printf '\\n'; }}\n{text}"
    out = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    return [call.split("\0") for call in out.split("\0\n") if call]


def test_a_shell_reads_the_lines_as_requests():
    titles = ['It\'s a "film" (1995)', "Été $HOME `x`", "a\\b"]
    recommend, rank = read_by_a_shell(_curls(8000, "user/1 & co", titles))
    assert recommend == ["http://127.0.0.1:8000/v1/users/user%2F1%20%26%20co/recommendations?limit=5"]
    assert rank[-1] == "http://127.0.0.1:8000/recommendation/ranked_recommendation"
    body = rank[rank.index("-d") + 1]
    assert json.loads(body) == {"user_id": "user/1 & co", "candidate_movies": titles}
