"""First lessons of deep learning: products of matrices, gradients, two classes, optimizers, for the zoo."""
