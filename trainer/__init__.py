"""From MNIST to published versions of the three models. Imports nothing, so that `trainer.mnist` needs only numpy."""
