//! Lies from a seed: which of the requests an account gets is answered wrongly, and how. The same seed tells the same lies
//! to the same requests, however they are interleaved, so that a rehearsal can be repeated.

use std::collections::BTreeMap;

use super::faults::{Fault, Kind};
use crate::digest::Digest;

/// One request in so many is lied to.
const ONE_IN: u64 = 6;

/// How often one shape of a request is lied to: what is told without end would only show that upa gives up.
const MOST: u32 = 6;

/// Where lies come from.
#[derive(Debug)]
pub struct Chaos {
    seed: u64,
    /// Of each shape of a request: how many came, and how many were lied to.
    seen: BTreeMap<String, (u32, u32)>,
}

impl Chaos {
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            seen: BTreeMap::new(),
        }
    }

    /// The lie that the next request of this shape is told, if one is.
    pub fn lie(&mut self, account: &str, method: &str, path: &str) -> Option<Fault> {
        // Probes ask whether anything answers at all: what they hear is no object.
        if method == "OPTIONS" || method == "HEAD" {
            return None;
        }
        let shape = format!("{account} {method} {}", shape(path));
        let (came, lied) = self.seen.entry(shape.clone()).or_default();
        *came += 1;
        let mut chance = fastrand::Rng::with_seed(number(&format!("{} {shape} {came}", self.seed)));
        if *lied >= MOST || chance.u64(0..ONE_IN) > 0 {
            return None;
        }
        *lied += 1;
        let lies: &[Lie] = if method == "GET" { READS } else { WRITES };
        let at = chance.usize(0..lies.len());
        Some(lies.get(at)?.fault(account))
    }
}

/// What a request has in common with others of its kind: its path without what looks like an id.
fn shape(path: &str) -> String {
    let plain = |segment: &&str| segment.len() < 16 && !segment.chars().any(|c| c.is_ascii_digit());
    let segments =
        path.split('/').map(
            |segment| match plain(&segment) || segment.starts_with('v') && segment.len() < 4 {
                true => segment,
                false => "*",
            },
        );
    segments.collect::<Vec<_>>().join("/")
}

/// Likewise chosen for the same text, by every upa.
fn number(text: &str) -> u64 {
    u64::from_str_radix(Digest::of_bytes(text.as_bytes()).short(), 16).unwrap_or_default()
}

/// A kind of lie: what it is, its status, how long the platform asks to wait.
struct Lie(Kind, u16, Option<u32>);

const READS: &[Lie] = &[
    Lie(Kind::Status, 500, None),
    Lie(Kind::Status, 503, Some(1)),
    Lie(Kind::Status, 429, Some(0)),
    Lie(Kind::Status, 422, None),
    Lie(Kind::Status, 403, None),
    Lie(Kind::Page, 502, None),
    Lie(Kind::Page, 200, None),
    Lie(Kind::EmptyBody, 200, None),
    Lie(Kind::CutBody, 200, None),
    Lie(Kind::DropBefore, 0, None),
    Lie(Kind::DropAfterWrite, 0, None),
    Lie(Kind::StaleRead, 0, None),
    Lie(Kind::ShortList, 0, None),
    Lie(Kind::Repeat, 0, None),
    Lie(Kind::SkipPage, 0, None),
    Lie(Kind::WrongId, 200, None),
];

const WRITES: &[Lie] = &[
    Lie(Kind::Status, 500, None),
    Lie(Kind::Status, 503, Some(1)),
    Lie(Kind::Status, 429, Some(0)),
    Lie(Kind::Status, 422, None),
    Lie(Kind::StatusAfterWrite, 500, None),
    Lie(Kind::StatusAfterWrite, 504, None),
    Lie(Kind::Page, 502, None),
    Lie(Kind::Page, 200, None),
    Lie(Kind::EmptyBody, 200, None),
    Lie(Kind::CutBody, 200, None),
    Lie(Kind::DropBefore, 0, None),
    Lie(Kind::DropAfterWrite, 0, None),
    Lie(Kind::WrongId, 200, None),
];

impl Lie {
    fn fault(&self, account: &str) -> Fault {
        Fault {
            status: (self.1 > 0).then_some(self.1),
            retry_after: self.2,
            ..Fault::of(account, self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lies(seed: u64) -> Vec<String> {
        let mut chaos = Chaos::new(seed);
        let requests = (0..40).flat_map(|n| {
            [
                ("GET", "/api/v1/workflows".to_owned()),
                ("POST", "/api/v1/workflows".to_owned()),
                ("GET", format!("/api/v1/workflows/{n}aB{seed}")),
            ]
        });
        let told = requests.map(|(method, path)| chaos.lie("n8n", method, &path));
        told.map(|fault| fault.map_or_else(String::new, |fault| format!("{:?} {:?}", fault.kind, fault.status)))
            .collect()
    }

    #[test]
    fn the_same_seed_tells_the_same_lies() {
        assert_eq!(lies(7), lies(7));
        assert_ne!(lies(7), lies(8));
        let told = lies(7).iter().filter(|lie| !lie.is_empty()).count();
        assert!((5..40).contains(&told), "{told}");
    }

    #[test]
    fn whose_turn_it_is_does_not_matter() {
        let (mut one, mut other) = (Chaos::new(3), Chaos::new(3));
        let kind = |fault: Option<Fault>| fault.map(|fault| (fault.kind, fault.status));
        for _ in 0..30 {
            let read = kind(one.lie("n8n", "GET", "/a"));
            let write = kind(one.lie("n8n", "POST", "/a"));
            assert_eq!(kind(other.lie("n8n", "POST", "/a")), write);
            assert_eq!(kind(other.lie("n8n", "GET", "/a")), read);
        }
    }

    #[test]
    fn nothing_is_lied_to_without_end() {
        let mut chaos = Chaos::new(1);
        let told = (0..10_000).filter_map(|_| chaos.lie("n8n", "GET", "/a")).count();
        assert_eq!(told, MOST as usize);
    }
}
