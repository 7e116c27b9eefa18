delete from person where id = :id
