//! Who may work on which tenants, and until when: what the lease holds, and how it changes.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The format this upa writes.
const FORMAT: u32 = 1;
/// How far the clocks of two machines may be apart: a claim is taken over only this long after it has expired.
const CLOCKS: SignedDuration = SignedDuration::from_secs(15);
/// In a claim: every tenant.
pub const EVERYBODY: &str = "*";

/// Every claim there is. Disjoint claims stand side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    format: u32,
    /// The highest fence that was ever given out.
    pub fence: u64,
    pub claims: Vec<Claim>,
}

/// What one run has claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub run: Uuid,
    /// Who, on which machine.
    pub holder: String,
    /// The clone it works in. Runs in one clone exclude each other by a locked file.
    pub clone: String,
    /// Names of tenants, or [`EVERYBODY`].
    pub tenants: BTreeSet<String>,
    /// Counts up with every claim: of two runs the one with the higher fence is right.
    pub fence: u64,
    pub expires: Timestamp,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            format: FORMAT,
            fence: 0,
            claims: Vec::new(),
        }
    }
}

impl Claim {
    fn meets(&self, other: &Claim) -> bool {
        let all = |claim: &Claim| claim.tenants.contains(EVERYBODY);
        all(self) || all(other) || !self.tenants.is_disjoint(&other.tenants)
    }

    /// Whether a tenant is this run's to work on.
    pub fn covers(&self, tenant: &str) -> bool {
        self.tenants.contains(EVERYBODY) || self.tenants.contains(tenant)
    }

    /// Whether it may be taken over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.expires) > CLOCKS
    }
}

impl Claims {
    /// Reads what a lease holds; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        // The first line is for people.
        let json = text.split_once("\n\n").map_or(text, |(_, json)| json);
        let claims: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if claims.format == FORMAT {
            Ok(claims)
        } else {
            Err(format!("its format is {}, and this upa knows {FORMAT}", claims.format))
        }
    }

    /// As it is kept.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string_pretty(self)?;
        Ok(format!("upa lease: {} at work\n\n{json}\n", self.claims.len()))
    }

    /// Adds a claim, and gives it its fence. What has expired, and what this clone left behind, makes way; a claim that
    /// is in the way is returned.
    pub fn take(&mut self, mut claim: Claim, now: Timestamp) -> Result<Claim, Box<Claim>> {
        self.claims
            .retain(|other| !other.is_over(now) && other.clone != claim.clone);
        if let Some(other) = self.claims.iter().find(|other| other.meets(&claim)) {
            return Err(Box::new(other.clone()));
        }
        self.fence += 1;
        claim.fence = self.fence;
        self.claims.push(claim.clone());
        Ok(claim)
    }

    /// Adds a name to a run's claim, under a fence of its own; `None` if the run has no claim any more, and a claim that is in
    /// the way as an error. Whatever holds several names took all but the last at once, and the last is always the same one:
    /// so two runs never wait for each other.
    pub fn widen(&mut self, run: Uuid, name: &str, now: Timestamp) -> Result<Option<Claim>, Box<Claim>> {
        let Some(mut own) = self.claims.iter().find(|claim| claim.run == run).cloned() else {
            return Ok(None);
        };
        if own.covers(name) {
            return Ok(Some(own));
        }
        own.tenants.insert(name.to_owned());
        self.claims.retain(|other| other.run == run || !other.is_over(now));
        let mut others = self.claims.iter().filter(|other| other.run != run);
        if let Some(other) = others.find(|other| other.meets(&own)) {
            return Err(Box::new(other.clone()));
        }
        self.fence += 1;
        own.fence = self.fence;
        self.claims.retain(|other| other.run != run);
        self.claims.push(own.clone());
        Ok(Some(own))
    }

    /// Takes a name out of a run's claim, whose fence stays; `None` if the run has no claim any more.
    pub fn narrow(&mut self, run: Uuid, name: &str) -> Option<Claim> {
        let own = self.claims.iter_mut().find(|claim| claim.run == run)?;
        own.tenants.remove(name);
        Some(own.clone())
    }

    /// Whether another run has claimed a name.
    pub fn is_with_another(&self, run: Uuid, name: &str) -> bool {
        self.claims.iter().any(|claim| claim.run != run && claim.covers(name))
    }

    /// Extends a claim; `false` if it is not there any more.
    #[must_use]
    pub fn renew(&mut self, run: Uuid, expires: Timestamp) -> bool {
        let own = self.claims.iter_mut().find(|claim| claim.run == run);
        own.map(|claim| claim.expires = expires).is_some()
    }

    /// Takes a claim away; `false` if it was not there.
    pub fn release(&mut self, run: Uuid) -> bool {
        let before = self.claims.len();
        self.claims.retain(|claim| claim.run != run);
        self.claims.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn claim(run: u128, clone: &str, tenants: &[&str]) -> Claim {
        Claim {
            run: Uuid::from_u128(run),
            holder: "ana on laptop".to_owned(),
            clone: clone.to_owned(),
            tenants: tenants.iter().map(|name| (*name).to_owned()).collect(),
            fence: 0,
            expires: at(600),
        }
    }

    #[test]
    fn disjoint_claims_stand_side_by_side() {
        let mut claims = Claims::default();
        assert_eq!(claims.take(claim(1, "a", &["ana"]), at(0)).unwrap().fence, 1);
        assert_eq!(claims.take(claim(2, "b", &["bo"]), at(0)).unwrap().fence, 2);
        let (ana, everybody) = (claim(3, "c", &["ana", "cy"]), claim(4, "d", &["*"]));
        assert_eq!(claims.take(ana, at(0)).unwrap_err().run, Uuid::from_u128(1));
        assert_eq!(
            claims.take(everybody.clone(), at(0)).unwrap_err().run,
            Uuid::from_u128(1)
        );
        assert!(claims.release(Uuid::from_u128(1)) && claims.release(Uuid::from_u128(2)));
        assert_eq!(
            claims.take(everybody, at(0)).unwrap().fence,
            3,
            "the fence is not forgotten"
        );
        assert!(claims.take(claim(5, "e", &["ana"]), at(0)).is_err());
    }

    #[test]
    fn what_has_expired_is_taken_over_and_cannot_be_renewed() {
        let mut claims = Claims::default();
        claims.take(claim(1, "a", &["*"]), at(0)).unwrap();
        assert!(
            claims.take(claim(2, "b", &["*"]), at(601)).is_err(),
            "clocks may differ"
        );
        assert!(claims.renew(Uuid::from_u128(1), at(1200)));
        assert!(claims.take(claim(2, "b", &["*"]), at(700)).is_err());
        assert_eq!(claims.take(claim(2, "b", &["*"]), at(1300)).unwrap().fence, 2);
        assert!(!claims.renew(Uuid::from_u128(1), at(2000)));
        assert!(!claims.release(Uuid::from_u128(1)));
    }

    #[test]
    fn what_the_same_clone_left_behind_makes_way() {
        let mut claims = Claims::default();
        claims.take(claim(1, "a", &["*"]), at(0)).unwrap();
        assert_eq!(claims.take(claim(2, "a", &["*"]), at(1)).unwrap().fence, 2);
        assert_eq!(claims.claims.len(), 1);
    }

    #[test]
    fn a_claim_is_widened_and_narrowed_beside_others() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut claims = Claims::default();
        claims.take(claim(1, "a", &["ana"]), at(0)).unwrap();
        claims.take(claim(2, "b", &["bo"]), at(0)).unwrap();
        let wide = claims.widen(one, "@shared", at(0)).unwrap().unwrap();
        assert_eq!(
            (wide.fence, wide.covers("@shared"), wide.covers("ana")),
            (3, true, true)
        );
        assert!(claims.is_with_another(other, "@shared") && !claims.is_with_another(one, "@shared"));
        let before = claims.clone();
        assert_eq!(claims.widen(other, "@shared", at(0)).unwrap_err().run, one);
        assert_eq!(claims, before, "what it has it keeps");
        assert_eq!(
            claims.widen(one, "@shared", at(0)).unwrap().unwrap().fence,
            3,
            "it has it"
        );
        assert_eq!(claims.narrow(one, "@shared").unwrap().fence, 3);
        assert_eq!(claims.widen(other, "@shared", at(0)).unwrap().unwrap().fence, 4);
        // Whoever died with it hinders for as long as its claim lasts; whoever was superseded has none to widen.
        assert!(claims.widen(one, "@shared", at(601)).is_err());
        assert!(claims.renew(one, at(2000)));
        assert_eq!(claims.widen(one, "@shared", at(700)).unwrap().unwrap().fence, 5);
        assert_eq!(claims.widen(other, "@shared", at(700)).unwrap(), None);
        assert_eq!(claims.narrow(other, "@shared"), None);
    }

    #[test]
    fn it_reads_back_and_refuses_what_it_does_not_know() {
        let mut claims = Claims::default();
        claims.take(claim(1, "a", &["ana"]), at(0)).unwrap();
        let text = claims.text().unwrap();
        assert_eq!(Claims::parse(&text).unwrap(), claims);
        assert!(Claims::parse(&text.replace("\"format\": 1", "\"format\": 2")).is_err());
        assert!(Claims::parse("hello").is_err());
    }
}
