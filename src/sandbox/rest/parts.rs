//! Parts of lists that are told apart by a field.

use serde_json::{Map, Value};

use super::shape::bare;
use crate::outside;
use crate::platform::definition::{KindDefinition, path};

/// Parts of keyed lists have ids of their own: a part that comes without the id it had is another one.
pub(super) fn parts_get_ids(kind: &KindDefinition, fields: &mut Map<String, Value>, earlier: &Map<String, Value>) {
    for (name, keyed) in &kind.lists {
        let known: Vec<&Value> = earlier
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        let Some(parts) = fields.get_mut(name).and_then(Value::as_array_mut) else {
            continue;
        };
        for part in parts {
            for (from, to) in &keyed.carry {
                let carried = path::at(part, to)
                    .filter(|carried| known.iter().any(|known| path::at(known, from) == Some(*carried)));
                let own = carried.or_else(|| path::at(part, from)).cloned();
                path::remove(part, to);
                path::put(
                    part,
                    from,
                    own.unwrap_or_else(|| Value::from(outside::random_id().to_string())),
                );
            }
        }
    }
}

/// A part of a keyed list that claims an id no part has.
pub(super) fn strange_part(
    kind: &KindDefinition,
    spec: &Map<String, Value>,
    earlier: &Map<String, Value>,
) -> Option<String> {
    kind.lists.iter().find_map(|(name, keyed)| {
        let known: Vec<&Value> = earlier
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        let parts = spec.get(name).and_then(Value::as_array)?;
        let strange = parts.iter().any(|part| {
            keyed.carry.iter().any(|(from, to)| {
                path::at(part, to).is_some_and(|claimed| {
                    !known
                        .iter()
                        .any(|known| path::at(known, from).map(bare) == Some(bare(claimed)))
                })
            })
        });
        strange.then(|| name.clone())
    })
}
