"""The lesson `matmul`: one product of matrices, computed by several implementations and timed by the zoo's clock."""
