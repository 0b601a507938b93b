-- User $1 and all active administrators, held until the end of the transaction: who takes one away knows how many are left.
select u.id, u.is_admin, u.is_active
from users u
where u.id = $1 or (u.is_admin and u.is_active)
order by u.id
for no key update
