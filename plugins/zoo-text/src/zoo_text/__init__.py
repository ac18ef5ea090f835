"""Characters and words: language models and word vectors, for the zoo."""
