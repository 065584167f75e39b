"""A client of `POST /predict/batch`: files in, rows out; it imports nothing of the service."""
