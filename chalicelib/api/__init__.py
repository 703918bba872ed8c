"""Everything HTTP: the views, the requests they parse, the documents and problems they answer with."""
