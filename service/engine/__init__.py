"""From a picture in memory to a counted vote: queue, batcher, backend."""
