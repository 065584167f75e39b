"""The contract between trainer and service: what an artifact is, how one is published and how one is opened."""
