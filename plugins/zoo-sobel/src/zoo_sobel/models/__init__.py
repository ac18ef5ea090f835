"""The models of the Sobel plugin, one family a file."""
