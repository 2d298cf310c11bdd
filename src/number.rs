//! Numbers by their value: exactly, however they are written and however they are kept.
//!
//! JSON says nothing of how much of a number is kept. upa keeps integers of 64 bits and doubles; JavaScript, and what is made
//! of it, doubles alone: beyond 2^53 it keeps another integer than it was sent, and says so to nobody.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};

/// How a platform keeps numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// As they are sent, integers of 64 bits too.
    #[default]
    Exact,
    /// As JavaScript does: a template or an input with another number is refused, because it would become another.
    Doubles,
}

/// What is said of a number that is sent to where doubles are kept.
pub const NOT_HELD: &str = "is a number that the platform does not keep: it would make another of it";
/// What helps then.
pub const AS_TEXT: &str = "beyond 2^53 write it as text, in quotes";

/// A decimal number: the digits behind `0.`, without zeros at either end, and the power of ten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON, TOML and people write it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let digits = all.trim_start_matches('0');
        let leading = i64::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let whole = i64::try_from(whole.len()).ok()?;
        Some(Self {
            negative,
            digits: digits.to_owned(),
            exponent: exponent.checked_add(whole)?.checked_sub(leading)?,
        })
    }

    fn of(number: &Number) -> Option<Self> {
        Self::parse(&number.to_string())
    }
}

/// In one form for each value.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}0.{}e{}", self.digits, self.exponent)
    }
}

/// Whether two numbers have the same value: `1` is `1.0`.
pub fn same(a: &Number, b: &Number) -> bool {
    a == b || matches!((Decimal::of(a), Decimal::of(b)), (Some(a), Some(b)) if a == b)
}

/// What a double makes of a number, as JavaScript writes it.
pub fn as_double(number: &Number) -> Number {
    let Some(double) = number.as_f64().filter(|_| !number.is_f64()) else {
        return number.clone();
    };
    // The shortest digits that mean this double, with zeros behind them.
    let text = double.to_string();
    let whole = text.parse::<i64>().map(Number::from);
    let whole = whole.or_else(|_| text.parse::<u64>().map(Number::from));
    whole
        .ok()
        .or_else(|| Number::from_f64(double))
        .unwrap_or_else(|| number.clone())
}

/// Whether a double holds a number.
pub fn is_double(number: &Number) -> bool {
    same(number, &as_double(number))
}

/// The first number in a value that no double holds.
pub fn beyond_doubles(value: &Value) -> Option<&Number> {
    match value {
        Value::Number(number) => Some(number).filter(|number| !is_double(number)),
        Value::Array(items) => items.iter().find_map(beyond_doubles),
        Value::Object(map) => map.values().find_map(beyond_doubles),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// A value as it is where numbers are doubles.
pub fn to_doubles(value: &mut Value) {
    match value {
        Value::Number(number) => *number = as_double(number),
        Value::Array(items) => items.iter_mut().for_each(to_doubles),
        Value::Object(map) => map.values_mut().for_each(to_doubles),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A value for a form of JSON that knows doubles alone (RFC 8785): what they do not hold is written out, so that two numbers
/// are never one.
pub fn written_out(value: &Value) -> Cow<'_, Value> {
    fn write(value: &mut Value) {
        match value {
            Value::Number(number) if !is_double(number) => *value = Value::from(format!("\u{0}{number}")),
            Value::Array(items) => items.iter_mut().for_each(write),
            Value::Object(map) => map.values_mut().for_each(write),
            _ => {}
        }
    }
    if beyond_doubles(value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut value = value.clone();
    write(&mut value);
    Cow::Owned(value)
}

/// The numbers of a JSON text with where they stand, in bytes.
pub fn literals(json: &str) -> impl Iterator<Item = (usize, &str)> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => {
                    at += 1;
                    while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                        at += if *byte == b'\\' { 2 } else { 1 };
                    }
                    at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let from = at;
                    let rest = bytes.iter().skip(at);
                    at += rest
                        .take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte))
                        .count();
                    return json.get(from..at).map(|text| (from, text));
                }
                _ => at += 1,
            }
        }
        None
    })
}

/// Whether a number as JSON writes it is the one that upa keeps of it.
pub fn is_kept(written: &str) -> bool {
    let kept = serde_json::from_str::<Number>(written).ok();
    kept.and_then(|kept| Decimal::of(&kept)) == Decimal::parse(written)
}

/// Whether a number that is no integer is the double that is kept of it.
pub fn is_kept_as(written: &str, double: f64) -> bool {
    Decimal::parse(written) == Decimal::parse(&double.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_by_their_value() {
        for (a, b, equal) in [
            ("1", "1.0", true),
            ("1000", "1e3", true),
            ("0", "-0.0", true),
            ("0.10", "1e-1", true),
            ("9007199254740993", "9007199254740992", false),
            ("9007199254740993", "9007199254740992.0", false),
            ("9007199254740992", "9007199254740992.0", true),
            ("1187654321098765433", "1187654321098765300", false),
            ("18446744073709551615", "18446744073709551614", false),
            ("-9223372036854775808", "-9223372036854775807", false),
            ("1", "-1", false),
        ] {
            assert_eq!(same(&number(a), &number(b)), equal, "{a} {b}");
        }
    }

    #[test]
    fn javascript_keeps_doubles() {
        for (sent, kept) in [
            ("1187654321098765433", "1187654321098765300"),
            ("9007199254740993", "9007199254740992"),
            ("-9007199254740993", "-9007199254740992"),
            ("18446744073709551615", "18446744073709552000"),
            ("9007199254740991", "9007199254740991"),
            ("100000000000000000", "100000000000000000"),
            ("0.1", "0.1"),
        ] {
            let kept = number(kept);
            assert!(
                same(&as_double(&number(sent)), &kept),
                "{sent}: {}",
                as_double(&number(sent))
            );
            assert_eq!(is_double(&number(sent)), same(&number(sent), &kept), "{sent}");
        }
        let value = json!({"a": [1, {"b": 1_187_654_321_098_765_433_u64}]});
        assert_eq!(beyond_doubles(&value), Some(&number("1187654321098765433")));
        let mut kept = value;
        to_doubles(&mut kept);
        assert_eq!(kept, json!({"a": [1, {"b": 1_187_654_321_098_765_300_u64}]}));
    }

    #[test]
    fn what_is_written_with_more_digits_than_are_kept_is_known() {
        for (text, kept) in [
            ("1", true),
            ("-1.50e2", true),
            ("0.1", true),
            ("18446744073709551615", true),
            ("18446744073709551617", false),
            ("-9223372036854775809", false),
            ("0.1000000000000000055", false),
            ("1e400", false),
        ] {
            assert_eq!(is_kept(text), kept, "{text}");
        }
    }

    #[test]
    fn literals_are_found_outside_of_texts() {
        let text = r#"{"a1": [1, -2.5e+3], "x\"7": "8", "b":9}"#;
        let found: Vec<&str> = literals(text).map(|(_, number)| number).collect();
        assert_eq!(found, ["1", "-2.5e+3", "9"]);
        assert!(literals(text).all(|(at, number)| text[at..].starts_with(number)));
        assert_eq!(literals("\"\\").count(), 0);
    }

    proptest! {
        #[test]
        fn an_integer_is_only_itself(a in any::<i64>(), b in any::<i64>()) {
            prop_assert_eq!(same(&a.into(), &b.into()), a == b);
            prop_assert_eq!(same(&a.into(), &a.wrapping_add(1).into()), false);
            prop_assert!(is_kept(&a.to_string()));
            prop_assert!(is_double(&as_double(&a.into())));
        }

        #[test]
        fn a_double_is_itself(a in any::<f64>().prop_filter("JSON has no other", |a| a.is_finite())) {
            let number = Number::from_f64(a).unwrap();
            prop_assert!(same(&number, &number) && is_double(&number));
            prop_assert!(is_kept(&number.to_string()));
        }
    }
}
