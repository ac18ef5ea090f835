"""It adds nothing."""

NOTHING = ()
