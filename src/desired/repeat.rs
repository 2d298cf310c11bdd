//! `each`: one object for each element of a list the tenant gives.

use std::collections::BTreeMap;

use serde_json::Value;

use super::values::below_value;
use crate::problem::Problem;
use crate::workspace::Tenant;
use crate::workspace::toml::pointer;
use crate::workspace::version::Each;

/// One element, and what tells it from the others whatever their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    pub key: String,
    pub value: Value,
}

/// The elements of a tenant's list, in its order; a list that is not given has none. Every error names the element.
pub fn elements(tenant: &Tenant, resource: &str, each: &Each) -> Result<Vec<Element>, Vec<Problem>> {
    let path = each.path().unwrap_or_default();
    let at = |below: &[&str]| {
        let whole = std::iter::once("inputs").chain(path.iter().copied());
        tenant.toml.value_place(&pointer(whole.chain(below.iter().copied())))
    };
    let given = path
        .split_first()
        .and_then(|(name, below)| below_value(tenant.file.inputs.get(*name)?, below));
    let items = match given {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => {
            let problem = Problem::configuration(format!(
                "`{}` is no list, and `{resource}` is repeated for it",
                each.list()
            ));
            return Err(vec![problem.at(at(&[])).hint("write a list: `[…, …]`")]);
        }
    };
    let mut problems = Vec::new();
    let mut elements: Vec<Element> = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let number = index.to_string();
        let (key, place) = match each.key() {
            None => (item.as_str(), at(&[&number])),
            Some(field) => (item.get(field).and_then(Value::as_str), at(&[&number, field])),
        };
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            let what = match each.key() {
                None => "is no text".to_owned(),
                Some(field) => format!("has no text in `{field}`"),
            };
            problems.push(
                Problem::configuration(format!(
                    "element {} of `{}` {what}, and nothing else tells one `{resource}` from another",
                    index + 1,
                    each.list()
                ))
                .at(place)
                .hint("give every element a text of its own"),
            );
            continue;
        };
        if let Some(first) = seen.insert(key, index) {
            problems.push(
                Problem::configuration(format!(
                    "\"{key}\" stands twice in `{}` (elements {} and {}), and `{resource}` is one object for each",
                    each.list(),
                    first + 1,
                    index + 1
                ))
                .at(place)
                .hint("remove one of the two"),
            );
        }
        elements.push(Element {
            key: key.to_owned(),
            value: item.clone(),
        });
    }
    if problems.is_empty() {
        Ok(elements)
    } else {
        Err(problems)
    }
}
