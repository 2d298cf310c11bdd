//! What a definition says about suspending, held against the contract: its calls, and the fields it writes meanwhile.

use std::collections::BTreeMap;

use super::{Answer, Look, below, near, sends};
use crate::platform::contract::{Resolution, Sent};
use crate::platform::definition::KindDefinition;
use crate::platform::suspension::How;

impl Look<'_> {
    /// `read` is what the object is read by, and where it is in the answer.
    pub(super) fn suspend(&mut self, pointer: &str, kind: &KindDefinition, read: Option<(&Answer<'_>, &str)>) {
        if let Some(calls) = &kind.suspend.calls {
            self.call(Some(kind), &calls.suspend, &[], false);
            self.call(Some(kind), &calls.resume, &[], false);
            if let Some((answer, live)) = read {
                self.path(&format!("{pointer}/at"), answer, &[&below(live, &calls.at)]);
            }
        }
        let How::Writes { set, clear } = &kind.suspend.means.how else {
            return;
        };
        let Some(update) = &kind.update else { return };
        let places = update.body.as_ref().map(sends::places_of_spec).unwrap_or_default();
        let (Some(schema), Some(place)) = (self.body_of(update), places.first()) else {
            return;
        };
        for field in set.keys().chain(clear) {
            if let Resolution::Missing { at, known, .. } = schema.resolve(&below(place, field)) {
                let message = format!("`{field}`: what is sent has no `{at}` in the contract");
                self.error(pointer, message, near(&at, &known));
            }
        }
        // Only where the document is the whole body its words can be held against it.
        if place.is_empty() {
            let fields: BTreeMap<String, Sent> = set
                .iter()
                .map(|(field, value)| (field.clone(), Sent::Value(value.clone())))
                .collect();
            for fault in schema.faults(&Sent::Object { fields, open: true }, false) {
                self.error(pointer, fault.to_string(), None);
            }
        }
    }
}
