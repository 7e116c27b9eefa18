-- What replays: all that was said about these ids, but for what is refused for good or withdrawn.
select id, kind, x, y, at, uuid, rule from fact
where (x in (:ids) or y in (:ids)) and final = 0 and withdrawn is null
