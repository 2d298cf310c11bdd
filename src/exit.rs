//! Exit statuses: the part of the command line that scripts and CI read.

use crate::problem::{Class, Problem};

/// How a run ended. The numbers are a contract; see `upa help exit-codes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Changes = 2,
    OnlyDrift = 3,
    SomeTenantsFailed = 4,
    Configuration = 5,
    Authentication = 6,
    Platform = 7,
    Interrupted = 8,
    Decision = 10,
    Leased = 11,
    Stale = 12,
    Threshold = 14,
    Waiting = 15,
    Usage = 64,
}

impl Exit {
    pub const ALL: [Exit; 15] = [
        Exit::Done,
        Exit::Failed,
        Exit::Changes,
        Exit::OnlyDrift,
        Exit::SomeTenantsFailed,
        Exit::Configuration,
        Exit::Authentication,
        Exit::Platform,
        Exit::Interrupted,
        Exit::Decision,
        Exit::Leased,
        Exit::Stale,
        Exit::Threshold,
        Exit::Waiting,
        Exit::Usage,
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means, for `upa help exit-codes`.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done, or nothing to do",
            Exit::Failed => "failed; upa doctor: something is not as it should be",
            Exit::Changes => "plan --detailed-exitcode: there are changes",
            Exit::OnlyDrift => "there is only drift (not used yet)",
            Exit::SomeTenantsFailed => "some tenants failed, others did not",
            Exit::Configuration => "invalid configuration: nothing was written",
            Exit::Authentication => "a platform refused the key, or it lacks a scope",
            Exit::Platform => "platform error or quota: safe to run again",
            Exit::Interrupted => "interrupted: the journal is consistent, run again",
            Exit::Decision => "a human must decide",
            Exit::Leased => "another run is working",
            Exit::Stale => "the plan is stale: what it was made from has moved",
            Exit::Threshold => "a threshold of [policy] was exceeded",
            Exit::Waiting => "apply --require-complete: waiting for an approval or a confirmation",
            Exit::Usage => "wrong usage of the command line",
        }
    }

    /// The status of a run that stopped because of findings of one class.
    pub fn of_class(class: Class) -> Exit {
        match class {
            Class::Configuration => Exit::Configuration,
            Class::Authentication => Exit::Authentication,
            Class::Platform => Exit::Platform,
            Class::Decision => Exit::Decision,
            Class::Stale => Exit::Stale,
            Class::Policy => Exit::Threshold,
            Class::Failure => Exit::Failed,
        }
    }

    /// The status of a run that stopped because of `problems`, before any write: a wrong file outweighs a wrong key
    /// outweighs the rest, because that is the order in which a person can do something about them.
    pub fn of_problems<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> Exit {
        problems
            .into_iter()
            .filter(|problem| problem.is_error())
            .map(|problem| problem.class)
            .min()
            .map_or(Exit::Done, Exit::of_class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_the_contract_and_distinct() {
        let codes: Vec<u8> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 64]);
        let meanings: BTreeSet<&str> = Exit::ALL.iter().map(|exit| exit.meaning()).collect();
        assert_eq!(meanings.len(), Exit::ALL.len());
    }

    #[test]
    fn warnings_do_not_fail_a_run() {
        assert_eq!(Exit::of_problems(&[Problem::warning("x")]), Exit::Done);
        let both = [Problem::error(Class::Platform, "x"), Problem::configuration("y")];
        assert_eq!(Exit::of_problems(&both), Exit::Configuration);
    }
}
