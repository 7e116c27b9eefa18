delete from fact where x = :id or y = :id
