update fact set withdrawn = :withdrawn where id = :id
