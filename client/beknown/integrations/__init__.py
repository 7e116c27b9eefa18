"""One thin file per web framework: each request's calls belong to the visitor that the tag says it comes from."""
