"""The lesson `autograd`: derivatives of composed functions, exact and approximate."""
