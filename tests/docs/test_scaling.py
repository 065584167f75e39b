import re

import typer

from service.commands.cluster import cli
from tests.support import ROOT

SCALING = (ROOT / "docs" / "scaling.md").read_text()


def test_every_cluster_command_and_option_stands_in_the_docs() -> None:
    """docs/scaling.md names each command, and each option of `up` with its default."""
    commands = getattr(typer.main.get_command(cli), "commands", {})
    assert all(f"`{name}`" in SCALING or f"cluster {name}" in SCALING for name in commands)
    rows = re.findall(r"^\| `(--\w+)` \|(?: `([^`]*)`)? \|", SCALING, re.MULTILINE)
    options = [each for each in commands["up"].params if each.opts[0].startswith("--")]
    assert rows == [(each.opts[0], "" if each.default is None else str(each.default)) for each in options]


def test_the_deployments_stand_in_the_docs_with_their_targets() -> None:
    """docs/scaling.md has a row for each deployment, with the requests in flight at which Ray scales it."""
    from service.cluster.scale import Scale
    from service.settings import Settings

    scale, settings = Scale(), Settings()
    for name, options in (
        ("ingress", scale.for_ingress(settings)),
        ("decode", scale.for_decode(settings)),
        ("vote", scale.for_vote(settings)),
    ):
        (row,) = re.findall(rf"^\| `{name}` \| .* \| (\d+) \w+ in flight \|$", SCALING, re.MULTILINE)
        assert int(row) == options["autoscaling_config"]["target_ongoing_requests"]
