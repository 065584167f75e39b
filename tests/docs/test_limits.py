import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.support import ROOT, Process, publish_three, serving

CALLS = re.findall(
    r"^(.*curl.*) # (\d{3}) ([\w-]+)$",
    (ROOT / "docs" / "operating.md").read_text().split("## Limits")[1].split("\n## ")[0],
    re.MULTILINE,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A service with little patience that takes one upload at a time."""
    artifacts = publish_three(tmp_path_factory.mktemp("artifacts"))
    with serving(artifacts, queue=1, head_seconds=0.5, body_seconds=1) as server:
        yield server


def test_the_limits_have_calls() -> None:
    """docs/operating.md shows at least a call for each status of a limit."""
    assert {status for _, status, _ in CALLS} == {"400", "408", "413", "431", "503", "504"}


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
@pytest.mark.parametrize(("line", "status", "name"), CALLS, ids=[f"{name}-{line[:12]}" for line, _, name in CALLS])
def test_each_call_in_the_docs_is_refused_as_they_say(server: Process, line: str, status: str, name: str) -> None:
    """What docs/operating.md shows of each limit is what a shell shows."""
    line = line.replace("127.0.0.1:8000", server.url.removeprefix("http://"))
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert f'"type":"urn:digitvote:{name}"' in done.stdout, done.stderr
    assert f'"status":{status}' in done.stdout
