"""The lesson `optimizers`: twelve ways to find the minimum of a function, after equally many evaluations."""
