select count(*) as projects from project
