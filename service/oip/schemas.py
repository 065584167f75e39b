"""What the protocol's requests and answers hold, as they are checked and as the OpenAPI page shows them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class Failure(BaseModel):
    """What was wrong and what to do about it."""

    error: str = Field(examples=["INPUT__0 has the shape [28, 28], not [-1, 1, 28, 28]."])


class _Asked(BaseModel):
    """What is sent; fields that are not known are passed over, as Triton does."""

    model_config = ConfigDict(strict=True)


class InputParameters(_Asked):
    """How an input is sent."""

    binary_data_size: Count | None = Field(None, description="bytes of it behind the JSON", examples=[3136])
    shared_memory_region: str | None = Field(None, description="refused: there is no shared memory")


class InferInput(_Asked):
    """One tensor that is sent, as JSON (`data`) or behind it (`binary_data_size`)."""

    name: str = Field(examples=["INPUT__0"])
    shape: list[Count] = Field(max_length=8, examples=[[1, 1, 28, 28]])
    datatype: str = Field(examples=["FP32"])
    parameters: InputParameters | None = None
    data: list[Any] | None = Field(None, description="row by row, flat or nested; of IMAGE each file as base64")


class OutputParameters(_Asked):
    """How an output is wanted."""

    binary_data: bool | None = Field(None, description="behind the JSON instead of in it")
    classification: Annotated[int, Field(ge=1)] | None = Field(
        None, description="the so many labels with most, as `value:index:label`", examples=[3]
    )
    shared_memory_region: str | None = Field(None, description="refused: there is no shared memory")


class InferOutput(_Asked):
    """One tensor that is wanted."""

    name: str = Field(examples=["OUTPUT__0"])
    parameters: OutputParameters | None = None


class InferParameters(_Asked):
    """How all outputs are wanted; others of Triton's (priority, timeout, sequences) are passed over."""

    binary_data_output: bool | None = Field(None, description="all outputs behind the JSON")


class InferRequest(_Asked):
    """An inference request: its JSON, which tensors may follow."""

    id: str | None = Field(None, description="comes back with the answer", examples=["42"])
    parameters: InferParameters | None = None
    inputs: list[InferInput] = Field(min_length=1, max_length=8)
    outputs: list[InferOutput] | None = Field(None, max_length=16, description="those wanted; all if there are none")


class IndexRequest(_Asked):
    """Which models an index is to hold."""

    ready: bool = Field(False, description="only those that answer")


class LoadRequest(_Asked):
    """How a model is to be loaded."""

    parameters: dict[str, Any] | None = Field(None, description="none are taken: `config` and files are refused")


class UnloadParameters(_Asked):
    """How a model is to be unloaded."""

    unload_dependents: bool = Field(False, description="no model has others that depend on it")


class UnloadRequest(_Asked):
    """How a model is to be unloaded."""

    parameters: UnloadParameters | None = None


class Nothing(BaseModel):
    """Nothing: it is done."""


class ServerMetadata(BaseModel):
    """What the server is and what it knows beyond the protocol's core."""

    name: str = Field(examples=["digitvote"])
    version: str = Field(examples=["0.1.0"])
    extensions: list[str]


class Live(BaseModel):
    """Whether the process can go on."""

    live: bool


class Ready(BaseModel):
    """Whether requests should be sent here."""

    ready: bool


class ModelReady(Ready):
    """Whether a model answers."""

    name: str = Field(examples=["lenet5"])


class TensorMetadata(BaseModel):
    """One tensor of a model."""

    name: str = Field(examples=["INPUT__0"])
    datatype: str = Field(examples=["FP32"])
    shape: list[int] = Field(description="-1 is the number of pictures", examples=[[-1, 1, 28, 28]])


class ModelMetadata(BaseModel):
    """One model's versions and tensors."""

    name: str = Field(examples=["lenet5"])
    versions: list[str] = Field(examples=[["1"]])
    platform: str = Field(examples=["pytorch_libtorch"])
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelConfig(BaseModel):
    """Triton's ModelConfig of a model, as JSON."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(examples=["lenet5"])
    platform: str = Field(examples=["pytorch_libtorch"])
    max_batch_size: int = Field(examples=[64])


class OutputTensor(BaseModel):
    """One tensor of an answer; its data are in the JSON, or behind it in `binary_data_size` bytes."""

    name: str = Field(examples=["OUTPUT__0"])
    datatype: str = Field(examples=["FP32"])
    shape: list[int] = Field(examples=[[1, 10]])
    parameters: dict[Literal["binary_data_size"], int] | None = None
    data: list[Any] | None = None


class InferResponse(BaseModel):
    """The answer to an inference request: its JSON, which tensors may follow."""

    id: str | None = Field(None, description="the request's, if it had one")
    model_name: str = Field(examples=["lenet5"])
    model_version: str = Field(examples=["1"])
    parameters: dict[Literal["model_versions"], str] | None = Field(
        None, description="of each picture, with commas, where not all were judged by one version"
    )
    outputs: list[OutputTensor]


class IndexEntry(BaseModel):
    """One model of the index."""

    name: str = Field(examples=["lenet5"])
    version: str | None = Field(None, examples=["1"])
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = Field(description="why it does not answer", examples=[""])


class Duration(BaseModel):
    """How often something was done, and in how many nanoseconds together."""

    count: int
    ns: int


class InferenceStatistics(BaseModel):
    """What became of requests, and where the time went."""

    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class ModelStatistics(BaseModel):
    """What one model did since the service began."""

    name: str = Field(examples=["lenet5"])
    version: str = Field(examples=["1"])
    last_inference: int = Field(description="milliseconds since the epoch; 0: never")
    inference_count: int = Field(description="pictures")
    execution_count: int = Field(description="batches")
    inference_stats: InferenceStatistics
    batch_stats: list[Any] = Field(description="empty: GET /metrics has the batches' sizes")


class Statistics(BaseModel):
    """What models did since the service began."""

    model_stats: list[ModelStatistics]
