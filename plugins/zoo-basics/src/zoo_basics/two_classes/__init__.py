"""The lesson `two-classes`: a line between two classes of points, and the nets that bend it."""
