//! Values a platform makes up: addresses, keys, times. They look like real ones and open nothing.

use serde_json::Value;

use super::shape::place;
use super::stored::{Stored, Version};
use crate::digest::Digest;
use crate::outside;
use crate::platform::definition::file::OutOf;
use crate::platform::definition::kind::Out;
use crate::platform::definition::{KindDefinition, path};
use crate::sandbox::clock::Moment;

/// How long what expires lasts, in milliseconds.
const LIFE: i64 = 7 * 24 * 60 * 60 * 1000;

/// What the object itself shows, where its request did not say it.
pub(super) fn of_object(kind: &KindDefinition, stored: &Stored, version: &mut Version) {
    for (name, out) in kind
        .out
        .iter()
        .filter(|(_, out)| out.call.is_none() && out.of.is_none())
    {
        let mut whole = version.server.clone();
        super::shape::lay(&mut whole, Value::Object(version.spec.clone()), false);
        if path::at(&whole, &out.at).is_none() {
            let value = value(kind, &stored.own, name, out);
            place(&mut version.server, &out.at, value);
        }
    }
}

/// What only the answer of its creation tells.
pub(super) fn of_creation(kind: &KindDefinition, stored: &mut Stored) {
    for (name, out) in kind.out.iter().filter(|(_, out)| out.of == Some(OutOf::Create)) {
        let value = value(kind, &stored.own, name, out);
        stored.told.insert(name.clone(), value);
    }
}

/// A value for an output. One that is made anew whenever it is asked for is another each time.
pub(super) fn value(kind: &KindDefinition, own: &str, name: &str, out: &Out) -> Value {
    if kind.renew.as_ref().is_some_and(|renew| renew.out == name) {
        return Value::from(Moment::now().0 + LIFE);
    }
    let seed = format!("{} {own} {name}", kind.name);
    let random = match out.once {
        true => outside::random_id().simple().to_string(),
        false => Digest::of_bytes(seed.as_bytes()).short().to_owned(),
    };
    let usual = match out.secret {
        true => random.clone(),
        false => format!("https://sandbox.invalid/{random}"),
    };
    let Some(pattern) = &out.pattern else {
        return Value::from(usual);
    };
    let forms = [
        usual,
        format!("https://upa:{random}@sandbox.invalid:443/{random}"),
        format!("postgresql://upa:{random}@sandbox.invalid:5432/upa?sslmode=require"),
        format!("sandbox.invalid/{random}"),
        outside::random_id().to_string(),
        "1234567890".to_owned(),
    ];
    let fitting = forms.iter().find(|form| pattern.is_match(form)).unwrap_or(&forms[0]);
    Value::from(fitting.as_str())
}
