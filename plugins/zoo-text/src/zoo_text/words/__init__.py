"""Word vectors: the kind `zoo-text/word-vectors`, its data sets, training and scores."""
