select name from task where name = :name and holder = :holder
