"""Makes what the project ships or shows: word lists, codes, samples of the documents."""
