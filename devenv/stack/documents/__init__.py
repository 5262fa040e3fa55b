"""Several stack files as one document: ``include``, ``extends``, and the merge of what ``-f`` names."""
