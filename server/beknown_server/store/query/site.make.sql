insert into site (id, secret) values (1, :secret) on conflict (id) do nothing
