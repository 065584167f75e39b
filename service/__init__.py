"""The service: a picture comes in, three models vote, the winning label goes out."""
