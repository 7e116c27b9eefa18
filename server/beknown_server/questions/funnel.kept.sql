-- Of the paths that end at an event and are not spoilt in the rest of their window ({kept}) the one that began last.
select b.* from clean{k} b
where {kept}
qualify row_number() over (partition by {actor}, b.place order by b.s1 desc) = 1
