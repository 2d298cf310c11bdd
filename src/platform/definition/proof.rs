//! What in an object proves that one attempt of ours made it, where the answer to that attempt was lost and no mark tells.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// What tells an object that a lost attempt made from one that a person made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Dotted path of the time at which the platform created the object, by its own clock: RFC 3339, or milliseconds since
    /// 1970. Between the look before the attempt and the end of its call, an equal object is the one that was made.
    pub created: Option<String>,
    /// Dotted path of the field where documents put a webhook address of their tenant, which holds a random UUID.
    pub address: Option<String>,
}

/// A time as platforms write it.
pub fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        Value::String(text) => match text.parse::<i64>() {
            Ok(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
            Err(_) => text.parse().ok(),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_as_platforms_write_them() {
        let at: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        for value in [
            json!("2026-11-29T12:00:00Z"),
            json!("2026-11-29T13:00:00.000+01:00"),
            json!(at.as_millisecond()),
            json!(at.as_millisecond().to_string()),
        ] {
            assert_eq!(time(&value), Some(at), "{value}");
        }
        for value in [
            json!("yesterday"),
            json!(null),
            json!(1e300),
            json!("99999999999999999999"),
        ] {
            assert_eq!(time(&value), None, "{value}");
        }
    }
}
