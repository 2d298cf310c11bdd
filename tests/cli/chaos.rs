//! Rehearsals: the sandbox tells lies from a seed, and what they leave is settled by a run without them.
