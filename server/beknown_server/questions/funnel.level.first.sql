-- Each event that is the first step begins a path.
select {columns}, {place} as place, t as s1 from line where m1
