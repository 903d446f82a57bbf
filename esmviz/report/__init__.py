"""Exhibits in, files out: methods to paste, one offline page, figures at a journal's size, all data in one archive."""
