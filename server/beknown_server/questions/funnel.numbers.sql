-- How many got to each step, and the median and mean seconds from the step before: of all, or behind each value.
-- {numbers}: an expression for each step, so as many as were asked for.
select {by}{numbers}
from chosen
group by all
