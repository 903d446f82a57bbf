"""How the embedded model was made: prepare the corpus, train, evaluate."""
