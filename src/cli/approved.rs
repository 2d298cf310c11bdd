//! A plan that was reviewed: what `upa plan --out FILE` wrote and `upa apply --plan FILE` goes by.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use super::report::Failure;
use crate::exit::Exit;
use crate::plan::Plan;
use crate::render::{self, counted};

/// The largest plan that is read, in bytes: a plan for thousands of tenants is a tenth of it.
const LARGEST: u64 = 256 << 20;

/// The digests of a plan, and of each of its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    pub digest: String,
    pub changes: BTreeSet<String>,
    /// Whether webhooks were asked on the wire when it was made.
    pub probed: bool,
}

impl Approved {
    /// Reads the file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let refuse = |why: String| Failure::new(Exit::Configuration, why).hint("make one with `upa plan --out FILE`");
        let unread = |why: String| refuse(format!("cannot read the plan `{}`: {why}", file.display()));
        let mut bytes = Vec::new();
        // A pipe has no size, so what is read is what counts.
        let read = File::open(file).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        if read.map_err(|error| unread(error.to_string()))? as u64 > LARGEST {
            return Err(unread(format!("it has more than the {LARGEST} bytes that upa reads")));
        }
        Self::parse(&bytes).map_err(|why| refuse(format!("`{}` is not a plan: {why}", file.display())))
    }

    /// What its bytes say; the error says why they are no plan.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if value.get("format").and_then(Value::as_u64) != Some(u64::from(render::json::FORMAT)) {
            return Err("its format is not known to this upa".to_owned());
        }
        let digest = value.get("digest").and_then(Value::as_str).ok_or("it has no digest")?;
        let changes = value
            .get("changes")
            .and_then(Value::as_array)
            .ok_or("it has no changes")?;
        Ok(Self {
            digest: digest.to_owned(),
            probed: value.get("probed") == Some(&Value::Bool(true)),
            changes: changes
                .iter()
                .filter_map(|change| change.get("digest")?.as_str().map(str::to_owned))
                .collect(),
        })
    }

    /// What is left to do must be part of what was approved: a run that was cut off may be finished.
    pub fn check(&self, plan: &Plan) -> Result<(), Failure> {
        if plan.digest().as_str() == self.digest {
            return Ok(());
        }
        let other: Vec<String> = plan
            .changes
            .iter()
            .filter(|change| !self.changes.contains(change.digest().as_str()))
            .map(|change| change.address.to_string())
            .collect();
        if other.is_empty() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Stale,
            format!(
                "this is not the plan that was reviewed: {} {} not in it ({})",
                counted(other.len(), "change"),
                if other.len() == 1 { "is" } else { "are" },
                other.join(", ")
            ),
        )
        .hint("plan again and have it reviewed"))
    }
}
