insert into task (name, holder, until)
values (:name, :holder, :until)
on conflict (name) do update set holder = excluded.holder, until = excluded.until
where task.holder = excluded.holder or task.until < :now
