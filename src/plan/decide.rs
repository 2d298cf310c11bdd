//! The table: what to do about one resource.
//!
//! | | absent | same | different | unreadable |
//! |---|---|---|---|---|
//! | desired, lock empty | create | problem: unowned | problem: unowned | problem |
//! | desired, pending | create | adopt | update if ours, else problem | problem |
//! | desired, applied | create (drift) | – | update | problem |
//! | gone, lock empty | – | – | – | – |
//! | gone, pending | forget | delete if ours, else problem | likewise | problem |
//! | gone, applied | forget | delete | delete (drift) | problem |
//!
//! "Gone" is always *said* gone: the tenant is deprovisioned, or its version has no such resource any more. An object
//! that carries neither our mark nor a place in the lockfile is never adopted, unless `[adopt]` names its id.

/// What the lockfile knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lock {
    Empty,
    Pending,
    Applied,
}

/// What was found, compared with what is desired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Found {
    Absent,
    /// It is as desired and runs as it should.
    Same,
    Different,
    Unreadable,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Nothing,
    Create,
    /// Record it as ours; write only what differs.
    Adopt,
    Update,
    Delete,
    Forget,
    /// Tell a person; touch nothing.
    Stop(Why),
}

/// Why nothing can be done without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is there and nothing says that it is ours.
    Unowned,
    Unreadable,
    /// The lockfile says it is ours, the object says it is not.
    NotMarked,
}

/// The table. `ours` = the object carries the mark of this address; `adopted` = `[adopt]` names its id.
pub fn decide(desired: bool, lock: Lock, found: Found, ours: bool, adopted: bool) -> Decision {
    use Decision::{Adopt, Create, Delete, Forget, Nothing, Stop, Update};
    use Found::{Absent, Different, Same, Unreadable};
    use Lock::{Applied, Empty, Pending};
    match (desired, lock, found) {
        (false, Empty, _) => Nothing,
        (_, _, Unreadable) => Stop(Why::Unreadable),
        (true, Empty, Absent) if adopted => Stop(Why::Unreadable),
        (true, _, Absent) => Create,
        (true, Empty, Same | Different) if adopted => Adopt,
        (true, Empty, Same | Different) => Stop(Why::Unowned),
        (true, Pending | Applied, Same | Different) if !ours && !adopted => Stop(Why::NotMarked),
        (true, Pending, Same) => Adopt,
        (true, Applied, Same) if ours => Nothing,
        // It was adopted and lost its mark: writing gives it back.
        (true, Applied, Same) => Update,
        (true, Pending | Applied, Different) => Update,
        (false, Pending | Applied, Absent) => Forget,
        (false, Pending | Applied, Same | Different) if ours => Delete,
        (false, Pending | Applied, Same | Different) => Stop(Why::NotMarked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell of the table, for an object that is ours and one that is not.
    #[test]
    fn the_table() {
        use Decision::{Adopt, Create, Delete, Forget, Nothing, Stop, Update};
        use Why::{NotMarked, Unowned, Unreadable};
        type Row = (bool, Lock, [Decision; 4], [Decision; 4]);
        let rows: [Row; 6] = [
            (
                true,
                Lock::Empty,
                [Create, Stop(Unowned), Stop(Unowned), Stop(Unreadable)],
                [Create, Stop(Unowned), Stop(Unowned), Stop(Unreadable)],
            ),
            (
                true,
                Lock::Pending,
                [Create, Adopt, Update, Stop(Unreadable)],
                [Create, Stop(NotMarked), Stop(NotMarked), Stop(Unreadable)],
            ),
            (
                true,
                Lock::Applied,
                [Create, Nothing, Update, Stop(Unreadable)],
                [Create, Stop(NotMarked), Stop(NotMarked), Stop(Unreadable)],
            ),
            (false, Lock::Empty, [Nothing; 4], [Nothing; 4]),
            (
                false,
                Lock::Pending,
                [Forget, Delete, Delete, Stop(Unreadable)],
                [Forget, Stop(NotMarked), Stop(NotMarked), Stop(Unreadable)],
            ),
            (
                false,
                Lock::Applied,
                [Forget, Delete, Delete, Stop(Unreadable)],
                [Forget, Stop(NotMarked), Stop(NotMarked), Stop(Unreadable)],
            ),
        ];
        let found = [Found::Absent, Found::Same, Found::Different, Found::Unreadable];
        for (desired, lock, ours, foreign) in rows {
            for (column, found) in found.into_iter().enumerate() {
                assert_eq!(
                    decide(desired, lock, found, true, false),
                    ours[column],
                    "{desired} {lock:?} {found:?} ours"
                );
                assert_eq!(
                    decide(desired, lock, found, false, false),
                    foreign[column],
                    "{desired} {lock:?} {found:?} foreign"
                );
            }
        }
    }

    #[test]
    fn only_what_is_named_is_adopted_and_only_if_it_is_there() {
        for found in [Found::Same, Found::Different] {
            assert_eq!(decide(true, Lock::Empty, found, false, true), Decision::Adopt);
        }
        assert_eq!(
            decide(true, Lock::Empty, Found::Absent, false, true),
            Decision::Stop(Why::Unreadable)
        );
        assert_eq!(decide(true, Lock::Applied, Found::Same, false, true), Decision::Update);
    }

    #[test]
    fn unknown_never_creates_or_deletes() {
        for desired in [true, false] {
            for lock in [Lock::Empty, Lock::Pending, Lock::Applied] {
                for (ours, adopted) in [(true, true), (true, false), (false, true), (false, false)] {
                    let decision = decide(desired, lock, Found::Unreadable, ours, adopted);
                    assert!(
                        matches!(decision, Decision::Nothing | Decision::Stop(_)),
                        "{decision:?}"
                    );
                }
            }
        }
    }
}
