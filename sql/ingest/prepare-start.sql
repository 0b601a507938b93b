-- $1 Ponder schema. Makes it ready for the next start of Ponder; says what it found: new, in use, rebuilt or resumed.
select prepare_ponder_start($1) as found
