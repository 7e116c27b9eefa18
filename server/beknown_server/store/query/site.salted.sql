-- The salt of a day, in the place of an earlier day's, which is gone then. The text begins with the date.
insert into site (id, secret) values (2, :secret)
on conflict (id) do update set secret = excluded.secret where site.secret < :day
