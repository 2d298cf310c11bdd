//! Values for other resources: from the object, from a call of their own, or from the answer of `create`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Rest;
use super::execute::{own_of, scope_of};
use super::send::bare;
use crate::platform::Job;
use crate::platform::definition::file::OutOf;
use crate::platform::definition::kind::Out;
use crate::platform::definition::placeholder::Scope;
use crate::platform::definition::{KindDefinition, ids, object, path};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::secret::Secret;

/// Outputs that may be written down, and those that may not.
pub(super) type Outputs = (BTreeMap<String, Value>, BTreeMap<String, Secret>);

impl Rest {
    /// What only the answer of `create` tells. Whether it stands in the object or beside it, it is found.
    pub(super) fn outputs_of_create(&self, kind: &KindDefinition, answer: &Value, live: &Value) -> Outputs {
        let mut outputs = Outputs::default();
        for (name, out) in kind.out.iter().filter(|(_, out)| out.of == Some(OutOf::Create)) {
            let found = path::at(live, &out.at).or_else(|| path::at(answer, &out.at));
            self.put(&mut outputs, name, out, found);
        }
        outputs
    }

    /// The outputs of an object that is there.
    pub(super) async fn outputs(
        &self,
        kind: &KindDefinition,
        job: &Job,
        live: &Value,
    ) -> Result<Outputs, PlatformError> {
        let mut outputs = Outputs::default();
        let own = own_of(kind, job);
        let scope = Scope {
            id: Some(&own),
            spec: Some(&job.document),
            ..scope_of(kind, job, live)
        };
        for (name, out) in kind.out.iter().filter(|(_, out)| out.of.is_none()) {
            let Some(call) = &out.call else {
                self.put(&mut outputs, name, out, path::at(live, &out.at));
                continue;
            };
            // Asking for one of these changes it: only a new object is asked.
            if out.once && !job.fresh {
                continue;
            }
            let answer = self.send(call, &scope).await?;
            self.put(&mut outputs, name, out, path::at(&answer, &out.at));
        }
        Ok(outputs)
    }

    /// A secret output, asked for again.
    pub(super) async fn secret_output(
        &self,
        kind: &KindDefinition,
        id: &str,
        name: &str,
    ) -> Result<Secret, PlatformError> {
        let refuse = |why: String| PlatformError::new(ErrorKind::Refused, "output", why);
        let Some(out) = kind.out.get(name) else {
            return Err(refuse(format!("a {} has no output `{name}`", self.kind_name(kind))));
        };
        if out.once || out.of.is_some() {
            return Err(refuse(format!(
                "`{name}` of a {} is told once, to the run that creates it; delete the object there and run again: the new one tells it",
                self.kind_name(kind)
            )));
        }
        let live = self.read(kind, id).await?;
        let (inputs, own) = ids::split(kind, id).unwrap_or_default();
        let scope = Scope {
            id: Some(&own),
            live: Some(&live),
            inputs,
            ..Scope::default()
        };
        let mut outputs = Outputs::default();
        match &out.call {
            Some(call) => {
                let answer = self.send(call, &scope).await?;
                self.put(&mut outputs, name, out, path::at(&answer, &out.at));
            }
            None => self.put(&mut outputs, name, out, path::at(&live, &out.at)),
        }
        let (mut plain, mut secret) = outputs;
        let plain = plain.remove(name).map(|value| Secret::new(bare(&value)));
        secret
            .remove(name)
            .or(plain)
            .ok_or_else(|| refuse(format!("the platform gives no `{name}`")))
    }

    fn put(&self, (plain, secret): &mut Outputs, name: &str, out: &Out, found: Option<&Value>) {
        let Some(value) = found.and_then(|found| object::output(out, found)) else {
            return;
        };
        if out.secret {
            let text = bare(&value);
            self.client.learn_secret(&text);
            secret.insert(name.to_owned(), Secret::new(text));
        } else {
            plain.insert(name.to_owned(), value);
        }
    }
}
