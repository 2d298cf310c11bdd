//! Ids as lockfiles hold them: the inputs that place an object, then its own id, with `/` between (and `%2F` inside).

use std::collections::BTreeMap;

use serde_json::Value;

use super::kind::KindDefinition;

/// The id of an object that is a setting of the whole account.
const ONLY: &str = "-";

/// Puts an id together. A setting has no id of its own.
pub fn join<'a>(inputs: impl IntoIterator<Item = &'a str>, own: Option<&'a str>) -> String {
    let parts: Vec<String> = inputs.into_iter().chain(own).map(escape).collect();
    if parts.is_empty() {
        return ONLY.to_owned();
    }
    parts.join("/")
}

/// The last part of an id: what the platform calls the object, and what templates get as `resources.x.id`.
pub fn own(id: &str) -> String {
    unescape(id.rsplit('/').next().unwrap_or(id))
}

/// The parts of an id: its inputs by name, and what the platform calls it (nothing for a setting). `None`: an id of
/// another form.
pub fn split(kind: &KindDefinition, id: &str) -> Option<(BTreeMap<String, Value>, String)> {
    let mut parts: Vec<String> = id.split('/').map(unescape).collect();
    let own = match (kind.one || kind.gate, kind.inputs.is_empty()) {
        (true, true) => return (id == ONLY).then(Default::default),
        (true, false) => String::new(),
        (false, _) => parts.pop()?,
    };
    let fits = parts.len() == kind.inputs.len() && parts.iter().all(|part| !part.is_empty());
    let inputs = kind.inputs.iter().cloned().zip(parts.into_iter().map(Value::from));
    fits.then(|| (inputs.collect(), own))
}

/// The inputs of a document, if all of them have a value.
pub fn inputs_of(kind: &KindDefinition, document: &Value) -> Option<BTreeMap<String, Value>> {
    let value = |name: &String| {
        let value = document.get(name)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let known = !text.is_empty() && !crate::symbol::is_reserved(&text);
        known.then(|| (name.clone(), Value::from(text)))
    };
    kind.inputs.iter().map(value).collect()
}

/// The id of an object of these inputs.
pub fn of(kind: &KindDefinition, inputs: &BTreeMap<String, Value>, own: &str) -> String {
    let values = kind.inputs.iter().filter_map(|name| inputs.get(name)?.as_str());
    join(values, (!kind.one && !kind.gate).then_some(own))
}

fn escape(part: &str) -> String {
    part.replace('%', "%25").replace('/', "%2F")
}

fn unescape(part: &str) -> String {
    part.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_apart_again() {
        assert_eq!(join([], Some("abc")), "abc");
        assert_eq!(join(["cal@x"], Some("user:a/b%")), "cal@x/user:a%2Fb%25");
        assert_eq!(own("cal@x/user:a%2Fb%25"), "user:a/b%");
        assert_eq!(own("abc"), "abc");
        assert_eq!(join([], None), "-");
        assert_eq!(join(["zone"], None), "zone");
    }
}
