//! What is not done at once: operations a creation started, states behind a call of their own, and outputs that are asked for.

use serde_json::json;

use super::Service;
use super::objects::{OPERATIONS, operation_key};
use super::outputs;
use super::route::Matched;
use super::shape::place;
use super::stored;
use crate::platform::definition::KindDefinition;
use crate::sandbox::http::Answer;
use crate::sandbox::store::StoreError;

impl Service {
    pub(super) fn poll(&self, kind: &KindDefinition, matched: &Matched<'_>) -> Result<Answer, StoreError> {
        let Some(wait) = &kind.wait else {
            return Ok(self.missing(matched.route.call));
        };
        let rows = self.store.write(&self.account)?;
        let mut answer = json!({});
        let looks = if wait.each.is_some() {
            let mut operation = json!({});
            for (at, value) in &matched.said.item {
                place(&mut operation, at, value.clone());
            }
            let key = operation_key(kind, &operation);
            let Some(looks) = rows.get::<u32>(OPERATIONS, &key)? else {
                return Ok(self.missing(matched.route.call));
            };
            rows.put(OPERATIONS, &key, &(looks + 1))?;
            looks + 1
        } else {
            let found = stored::find(&rows, kind, &matched.said)?;
            let Some(mut stored) = found.filter(|stored| stored.now.is_some()) else {
                return Ok(self.missing(matched.route.call));
            };
            stored.looks += 1;
            stored.keep(&rows, kind)?;
            stored.looks
        };
        rows.commit()?;
        place(&mut answer, &wait.at, stored::state(wait, looks));
        Ok(Answer::json(200, &self.successful(answer)))
    }

    /// The outputs that this call tells.
    pub(super) fn output(&self, kind: &KindDefinition, matched: &Matched<'_>) -> Result<Answer, StoreError> {
        let call = matched.route.call;
        let rows = self.store.read(&self.account)?;
        let Some(stored) = stored::find(&rows, kind, &matched.said)?.filter(|stored| stored.now.is_some()) else {
            return Ok(self.missing(call));
        };
        let mut answer = json!({});
        let told = kind.out.iter().filter(|(_, out)| {
            out.call
                .as_ref()
                .is_some_and(|other| other.method == call.method && other.path == call.path)
        });
        for (name, out) in told {
            let value = outputs::value(kind, &stored.own, name, out);
            if out.at.is_empty() {
                answer = value;
            } else if answer.is_object() {
                place(&mut answer, &out.at, value);
            }
        }
        Ok(Answer::json(200, &self.successful(answer)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_state_is_pending_twice() {
        let text = "platform = \"p\"\n[resource.a]\ncreate = \"POST /a\"\nread = \"GET /a/{id}\"\ndelete = \"none\"\n\
                    wait = { at = \"ready\", ok = [true], every = \"1s\", max = \"1m\" }\n";
        let definition = crate::platform::definition::Definition::parse("p.toml", &std::sync::Arc::from(text)).unwrap();
        let wait = definition.kinds["a"].wait.as_ref().unwrap();
        let states: Vec<Value> = (0..4).map(|looks| stored::state(wait, looks)).collect();
        assert_eq!(states, [json!(false), json!(false), json!(false), json!(true)]);
    }
}
