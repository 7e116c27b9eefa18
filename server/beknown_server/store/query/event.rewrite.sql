update event set properties = :properties where seq = :seq
