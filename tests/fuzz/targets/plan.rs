//! A plan that was reviewed: what counts of it is what `upa apply --plan` goes by.

use serde_json::{Value, json};
use upa::cli::approved::Approved;
use upa::render;

pub fn look(bytes: &[u8]) {
    match Approved::parse(bytes) {
        Ok(approved) => {
            let changes: Vec<Value> = approved
                .changes
                .iter()
                .map(|digest| json!({ "digest": digest }))
                .collect();
            let said = json!({"format": render::json::FORMAT, "digest": approved.digest, "changes": changes});
            assert_eq!(Approved::parse(said.to_string().as_bytes()), Ok(approved));
        }
        Err(why) => assert!(!why.trim().is_empty(), "refused without a reason"),
    }
}
