"""What a fine-tuned version was before all fine-tuning: found back through the manifests by what each started from."""

from registry import versions
from registry.address import Location
from registry.errors import ArtifactError
from registry.manifest import Manifest
from registry.objects import StoreError
from registry.open import Artifact
from registry.versions import Versions
from trainer import recipe as recipes
from trainer.recipe import Name


def origin(artifacts: Location, name: Name, base: Artifact) -> tuple[Artifact, str | None]:
    """The last version behind `base`, or itself, that no fine-tuning made.

    Where it is gone: the oldest version of the model that is there, and a note that says so.

    Raises:
        TrainerError: if a recipe on the way is none of this trainer's.
        ArtifactError: if the version cannot be trusted.
    """
    wanted = _started_from(base.manifest, name)
    if wanted is None:
        return base, None
    found = versions.at(artifacts)
    there = _readable(found, name)
    # Of several with the same weights the oldest; each is met once, so this ends whatever the manifests say.
    by_sha256 = {one.sha256: one for one in reversed(there)}
    first = base.manifest
    while wanted and wanted in by_sha256:
        first = by_sha256.pop(wanted)
        wanted = _started_from(first, name)
    note = None
    if wanted:
        first = there[0]
        note = (
            f"{name:6} version {base.manifest.version} comes from one of sha256 {wanted[:12]}…, which is not there any "
            f"more: held against version {first.version}, the oldest"
        )
    return found.open(name, first.version), note


def _started_from(manifest: Manifest, name: Name) -> str | None:
    """The sha256 of what a version was fine-tuned from; None where it was not."""
    settings = recipes.check(manifest.recipe, f"{name} {manifest.version}: recipe").finetune
    return settings.base.get(name) if settings else None


def _readable(found: Versions, name: Name) -> list[Manifest]:
    """The manifests of a model's versions, oldest first, but those that cannot be trusted."""
    there = []
    for number in found.numbers(name):
        try:
            there.append(found.manifest(name, number))
        except StoreError:
            raise
        except ArtifactError:
            continue
    return there
