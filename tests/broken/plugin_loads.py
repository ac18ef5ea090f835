"""It is out of luck."""

raise RuntimeError("out of luck")
