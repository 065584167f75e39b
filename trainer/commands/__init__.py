"""The commands, one a module; each imports what is slow to import, like torch, once it runs: help comes at once."""
