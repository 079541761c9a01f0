"""How each kind of table file is found, cut into groups of rows, typed and turned into samples."""
