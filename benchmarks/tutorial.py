"""The service that a tutorial would write: everything in the handler, one picture after the other."""

from typing import Any

from fastapi import FastAPI, UploadFile

from benchmarks import plain

app = FastAPI()
models = plain.models()


# Not `def`: FastAPI would then hand each request to a thread, which is slower here.
@app.post("/predict")
async def predict(file: UploadFile) -> dict[str, Any]:
    """The three votes."""
    picture = plain.decode(await file.read())
    return plain.answer(plain.predict(models, picture[None])[0])


@app.get("/health")
async def health() -> dict[str, str]:
    """Ready once the models are loaded, for they are loaded first."""
    return {"state": "ready"}
