"""The least that an upload can cost with FastAPI: an endpoint that reads the file and answers."""

from fastapi import FastAPI, UploadFile

app = FastAPI()


@app.post("/predict")
async def upload(file: UploadFile) -> dict[str, int]:
    """How many bytes came."""
    return {"bytes": len(await file.read())}


@app.get("/health")
async def health() -> dict[str, str]:
    """Ready at once."""
    return {"state": "ready"}
