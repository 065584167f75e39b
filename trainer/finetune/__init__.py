"""Fine-tuning: published versions learn from what the service's users fed back, and replace themselves if none suffers.

`ancestry` finds what was there before all fine-tuning, and `served` says what the vote becomes.

store ──digits──▶ training and held-out digits ──start──▶ the versions to begin with ──trainer.job──▶ ──admission──▶
"""
