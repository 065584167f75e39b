"""What the service answers, as its OpenAPI page shows it."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from imaging import line
from imaging.ground import Polarity
from imaging.steps import Step, Turn
from registry.manifest import Manifest
from registry.rules import Rule
from service.errors import Problem
from service.vote import Reason


class Vote(BaseModel):
    """One model's vote."""

    model: str = Field(examples=["lenet5"])
    version: int = Field(examples=[1])
    label: int = Field(ge=0, le=9, examples=[7])
    confidence: float = Field(ge=0, le=1, description="calibrated probability of its label", examples=[0.997])
    probabilities: list[float] = Field(
        description="of the digits 0 to 9",
        min_length=10,
        max_length=10,
        examples=[[0.0, 0.001, 0.001, 0.0, 0.0, 0.0, 0.0, 0.997, 0.0, 0.001]],
    )


class MissingVote(BaseModel):
    """A model that should have voted and did not."""

    model: str = Field(examples=["cnn"])
    version: int | None = Field(None, description="none where no version is loaded", examples=[1])
    reason: str = Field(examples=["not loaded: see /health"])


class Receipt(BaseModel):
    """What this answer cost and where it was made."""

    request_id: str = Field(examples=["01JD8X3W5E9Q2R7T4Y6U8A1B2C"])
    decode_ms: float = Field(ge=0, examples=[0.2], description="from the upload's bytes to the 28x28 picture")
    queue_ms: float = Field(ge=0, examples=[0.4], description="waiting for the device")
    inference_ms: float = Field(ge=0, examples=[1.1], description="all models on the whole batch")
    batch_size: int = Field(ge=1, examples=[8], description="pictures in the batch that this one was in")
    device: str = Field(examples=["cpu"])


class Place(BaseModel):
    """A rectangle in pixels of the upload once it stands upright, as browsers show it."""

    left: int = Field(ge=0, examples=[412])
    top: int = Field(ge=0, examples=[388])
    width: int = Field(ge=1, examples=[310])
    height: int = Field(ge=1, examples=[502])


class Look(BaseModel):
    """How the picture was read."""

    picture: str = Field(
        description="the 28x28 that the models saw, a PNG as a data URI", examples=["data:image/png;base64,…"]
    )
    box: Place = Field(description="where the digit is in the upload, once that stands upright")
    polarity: Polarity = Field(examples=["dark on light"], description="what the ink is and what the ground")
    turn: Turn = Field(examples=[90], description="degrees clockwise that EXIF said it must be turned")
    steps: list[Step] = Field(
        examples=[["turned", "reduced", "flattened", "fitted", "centred"]], description="in order"
    )


class Prediction(BaseModel):
    """The winning label and how it came about."""

    label: int = Field(ge=0, le=9, description="the digit that won the vote", examples=[7])
    confidence: float = Field(ge=0, le=1, description="combined probability of the label", examples=[0.998])
    agreement: float = Field(ge=0, le=1, description="share of the votes cast that are for the label", examples=[1.0])
    rule: Rule = Field(examples=["weighted"], description="how the votes were counted")
    accepted: bool = Field(examples=[True], description="whether it looks like one digit and the vote is sure of it")
    reason: Reason | None = Field(examples=[None], description="why it is not accepted")
    warnings: list[str] = Field(examples=[[]], description="what to know about this picture, in words")
    votes: list[Vote]
    missing: list[MissingVote] = Field(examples=[[]], description="models that did not vote")
    seen: Look | None = Field(None, description="how the picture was read; only with explain=true")
    receipt: Receipt


class BatchAnswer(BaseModel):
    """What came of one of many pictures: a prediction or an error."""

    index: int = Field(ge=0, examples=[0], description="its place among those sent, from 0")
    name: str = Field(examples=["scans/seven.png"], description="the file name that was sent with it")
    prediction: Prediction | None = Field(None, description="as /predict answers; absent where there is an error")
    error: Problem | None = Field(None, description="as /predict would answer it; absent where there is a prediction")


class BatchPrediction(BaseModel):
    """What came of many pictures."""

    answered: int = Field(ge=0, examples=[2], description="how many have a prediction")
    failed: int = Field(ge=0, examples=[0], description="how many have an error")
    answers: list[BatchAnswer] = Field(description="one for each picture, in the order sent")


class NumberDigit(BaseModel):
    """One digit of a number, with its vote."""

    label: int = Field(ge=0, le=9, description="the digit that won the vote", examples=[4])
    line: int = Field(ge=0, examples=[0], description="which of `lines` it stands in")
    box: Place
    confidence: float = Field(ge=0, le=1, description="combined probability of the label", examples=[0.998])
    agreement: float = Field(ge=0, le=1, description="share of the votes cast that are for the label", examples=[1.0])
    accepted: bool = Field(
        examples=[True],
        description="whether it looks like one digit, the vote is sure of it, and it is more likely one digit than not",
    )
    votes: list[Vote]
    picture: str | None = Field(
        None,
        description="the 28x28 that the models saw, a PNG as a data URI; only with explain=true",
        examples=["data:image/png;base64,…"],
    )
    steps: list[Step] | None = Field(
        None, examples=[["fitted", "centred"]], description="what was done to this digit alone; only with explain=true"
    )


class NumberLook(BaseModel):
    """How a picture of numbers was read, before its digits were taken one by one."""

    polarity: Polarity = Field(examples=["dark on light"], description="what the ink is and what the ground")
    turn: Turn = Field(examples=[90], description="degrees clockwise that EXIF said it must be turned")
    steps: list[Step] = Field(examples=[["reduced", "flattened"]], description="in order")


class NumberLine(BaseModel):
    """One line and the box around its digits."""

    text: str = Field(description="its digits; a gap wider than 1.5 of their height is a space", examples=["40213"])
    box: Place


class LeftOut(BaseModel):
    """Something that is no digit."""

    reason: line.Reason = Field(examples=["a comma or a point"], description="what it is taken for")
    box: Place


class NumberReceipt(Receipt):
    """What this answer cost; the wait and the inference are those of the piece for which they took longest."""

    batch_size: int = Field(ge=0, examples=[31], description="pictures in the largest batch that a piece was in")
    pieces: int = Field(ge=0, examples=[31], description="pieces of the picture that the models judged")


class NumberPrediction(BaseModel):
    """The numbers on a picture and how they were read."""

    text: str = Field(description="all lines, with line breaks between them", examples=["40213"])
    accepted: bool = Field(examples=[True], description="whether every digit is accepted, and there is one")
    rule: Rule = Field(examples=["weighted"], description="how the votes were counted")
    warnings: list[str] = Field(examples=[[]], description="what to know about this picture, in words")
    lines: list[NumberLine] = Field(description="from top to bottom")
    digits: list[NumberDigit] = Field(description="of all lines, in the order of `text`")
    skipped: list[LeftOut] = Field(examples=[[]], description="what was left out as no digit")
    missing: list[MissingVote] = Field(examples=[[]], description="models that did not vote")
    seen: NumberLook | None = Field(None, description="how the picture was read; only with explain=true")
    receipt: NumberReceipt


State = Literal["starting", "ready", "degraded", "draining", "failed"]


Stage = Literal["waiting", "loading", "failed", "gone"]


class Tried(BaseModel):
    """A version that is published, wanted and not served."""

    version: int = Field(examples=[3])
    stage: Stage = Field(examples=["failed"])
    reason: str = Field(examples=["is off by 0.5 on the golden digits, more than 0.001"])


class Canary(BaseModel):
    """The version that takes a share of a model's batches."""

    version: int = Field(examples=[3])
    percent: int = Field(ge=1, le=99, examples=[10], description="of the batches")
    loaded: bool = Field(examples=[True])
    sha256: str | None = Field(None, examples=["fd5e75a0…"], description="of model.pt")
    reason: str | None = Field(None, examples=[None], description="why it is not loaded")


class ModelHealth(BaseModel):
    """Whether one model, or the gate, is loaded, and what else is published of it."""

    model: str = Field(examples=["lenet5"])
    loaded: bool = Field(examples=[True])
    version: int | None = Field(None, examples=[1])
    sha256: str | None = Field(None, examples=["fd5e75a0…"], description="of model.pt")
    reason: str | None = Field(None, examples=[None], description="why it is not loaded")
    canary: Canary | None = Field(None, description="where DIGITVOTE_VERSIONS asks for one")
    tried: list[Tried] = Field([], examples=[[]], description="versions that are wanted more and do not vote, and why")


class ObjectStore(BaseModel):
    """The object store that versions come from; while it is not reached those that were copied before are served."""

    address: str = Field(examples=["s3://bucket/prefix"])
    reached: bool = Field(examples=[True], description="at the last look; false before the first")
    reason: str | None = Field(None, examples=[None], description="why it was not reached")
    seen: datetime | None = Field(None, description="when it last was, since the service started")


class Health(BaseModel):
    """Whether requests should be sent here; `ready` and `degraded` answer 200, the others 503."""

    state: State = Field(examples=["ready"])
    reason: str | None = Field(None, examples=[None], description="why it is not simply ready")
    device: str | None = Field(None, examples=["cpu"])
    quorum: int = Field(examples=[2])
    queued: int = Field(ge=0, examples=[0], description="pictures waiting for a batch")
    models: list[ModelHealth]
    gate: ModelHealth | None = Field(None, description="what tells digits from other things; none with reject=off")
    store: ObjectStore | None = Field(None, description="where versions come from; none where that is a folder")


class ModelEntry(ModelHealth):
    """A model and the manifest of its loaded version."""

    manifest: Manifest | None


class LiveAccuracy(BaseModel):
    """How often a version, or the vote, was right, by feedback."""

    model: str = Field(examples=["lenet5"], description="a model, or `vote`")
    version: str = Field(examples=["1"], description="of the vote all that took part, as `mlp 1, cnn 2, lenet5 1`")
    answers: int = Field(ge=1, examples=[412], description="with feedback")
    right: int = Field(ge=0, examples=[398])
    accuracy: float = Field(ge=0, le=1, examples=[0.966])
    low: float = Field(ge=0, le=1, examples=[0.944], description="the 95 % interval's lower end, by Wilson")
    high: float = Field(ge=0, le=1, examples=[0.98], description="its upper end")


class LiveConfidence(BaseModel):
    """How sure a version is of late, beside what it was worth on the test set."""

    model: str = Field(examples=["lenet5"])
    version: int = Field(examples=[1])
    answers: int = Field(ge=1, examples=[9120], description="of late")
    confidence: float = Field(ge=0, le=1, examples=[0.981], description="their mean")
    reference: float = Field(ge=0, le=1, examples=[0.9962], description="its accuracy on the test set, by its manifest")
    drift: float = Field(ge=-1, le=1, examples=[-0.0152], description="the one less the other")


class Live(BaseModel):
    """How the models do on what is sent: by feedback, which is no random sample, and by what is answered of late."""

    kept: int = Field(ge=0, examples=[412], description="answers with feedback")
    pending: int = Field(ge=0, examples=[8708], description="answers that can still be fed back")
    accuracy: list[LiveAccuracy] = Field(description="of the vote, then by model and version; empty without feedback")
    labels: list[int] = Field(min_length=10, max_length=10, description="answers of late by label")
    label_drift: float | None = Field(
        examples=[0.03],
        description="their population stability index against MNIST's training set, whatever the versions were trained "
        "on; none without any",
    )
    confidence: list[LiveConfidence] = Field(description="of the versions that are served")


class FeedbackKept(BaseModel):
    """What was kept."""

    request_id: str = Field(examples=["01JD8X3W5E9Q2R7T4Y6U8A1B2C"])
    index: int = Field(ge=0, examples=[0])
    label: int = Field(ge=0, le=9, examples=[7], description="the right one")
    answered: int = Field(ge=0, le=9, examples=[1], description="the one that was answered")
    right: bool = Field(examples=[False], description="whether they are the same")


class Models(BaseModel):
    """The models that vote, and the gate."""

    models: list[ModelEntry]
    gate: ModelEntry | None = Field(None, description="what tells digits from other things; none with reject=off")
    live: Live | None = Field(None, description="how they do on what is sent; only where feedback is taken")
