-- Whether an id was named a user before a time (with x: by a claim of this very id, along its few
-- facts: the user may have very many).
select 1 as found from fact
where {{:x +}}y = :y and kind in ('claim', 'named') and final = 0 and withdrawn is null and rule in (:rules) and (at < :at or (at = :at and uuid < :uuid))
  {{:x and x = :x}}
limit 1
