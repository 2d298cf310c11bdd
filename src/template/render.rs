//! Filling a parsed template with one tenant's values.

use serde_json::{Map, Value};

use super::expression::{self, Path, Piece};
use crate::number;

/// Where values come from.
pub trait Scope {
    /// The value at a path; an error says what is undefined and what would be known there.
    fn value(&self, path: &Path) -> Result<Value, String>;

    /// Whether this is something that not everybody has, and that is not here: what stands behind `??` is used instead.
    fn is_absent(&self, _path: &Path) -> bool {
        false
    }
}

/// What a value from outside may not bring into a document, because the platform would evaluate it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// A leaf may start with one of these only if its template does.
    pub leading: Vec<String>,
    /// A value may not contain any of these.
    pub containing: Vec<String>,
    /// Numbers are kept as doubles: others may not be sent.
    pub doubles: bool,
}

/// Something wrong with one expression: as written in the template, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub written: String,
    pub why: String,
}

/// What a template or a rendered document may cost, see [`cost`]. A self-hosted n8n takes bodies of 16 MiB
/// (`N8N_PAYLOAD_SIZE_MAX`, its documentation), other platforms less.
pub const MOST: usize = 32 << 20;
/// What all templates of a version, and all rendered documents of a tenant, may cost together.
pub const MOST_TOGETHER: usize = 64 << 20;
/// What a value takes besides its text, in bytes.
const EACH_VALUE: usize = 32;

/// The document, or everything that is wrong with it.
pub fn render(template: &Value, scope: &dyn Scope, guard: &Guard) -> Result<Value, Vec<Fault>> {
    let mut filling = Filling {
        scope,
        guard,
        faults: Vec::new(),
        left: Some(MOST.saturating_sub(cost(template))),
    };
    let document = filling.fill(template);
    match filling.faults.is_empty() {
        true => Ok(document),
        false => Err(filling.faults),
    }
}

/// A document that is being rendered.
struct Filling<'a> {
    scope: &'a dyn Scope,
    guard: &'a Guard,
    faults: Vec<Fault>,
    /// How many bytes values may still bring; `None` once it was said that they brought too many.
    left: Option<usize>,
}

impl Filling<'_> {
    fn fill(&mut self, template: &Value) -> Value {
        match template {
            Value::String(text) if expression::has_expression(text) => self.fill_text(text),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(key, item)| (key.clone(), self.fill(item)))
                .collect::<Map<_, _>>()
                .into(),
            other => other.clone(),
        }
    }

    /// Takes the bytes of a value from what is left; says once that nothing is.
    fn spend(&mut self, value: &Value, written: &str) -> bool {
        let Some(left) = self.left else { return false };
        self.left = left.checked_sub(cost(value));
        if self.left.is_none() {
            self.fault(
                written,
                format!(
                    "with this value the document takes more than {} MiB of memory",
                    MOST >> 20
                ),
            );
        }
        self.left.is_some()
    }

    fn fault(&mut self, written: &str, why: String) {
        self.faults.push(Fault {
            written: written.to_owned(),
            why,
        });
    }

    fn fill_text(&mut self, text: &str) -> Value {
        if self.left.is_none() {
            return Value::Null;
        }
        let pieces = match expression::pieces(text) {
            Ok(pieces) => pieces,
            Err(malformed) => {
                self.fault(&malformed.written, malformed.why.to_owned());
                return Value::Null;
            }
        };
        let mut whole = None;
        let mut out = String::with_capacity(text.len());
        let single = pieces.len() == 1;
        let mut last = "";
        for piece in &pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(path, _, Some(instead)) if self.scope.is_absent(path) => {
                    append(&mut out, instead);
                    whole = single.then(|| instead.clone());
                }
                Piece::Value(path, written, _) => {
                    last = written;
                    match self.scope.value(path) {
                        Ok(value) if !self.spend(&value, written) => return Value::Null,
                        Ok(value) => {
                            check_containing(&value, path, written, self.guard, &mut self.faults);
                            // Within a text it is text.
                            let held = !(single && self.guard.doubles);
                            if let Some(found) = (!held).then(|| number::beyond_doubles(&value)).flatten() {
                                self.fault(written, format!("{found} {}; {}", number::NOT_HELD, number::AS_TEXT));
                            }
                            append(&mut out, &value);
                            whole = single.then_some(value);
                        }
                        Err(why) => self.fault(written, why),
                    }
                }
            }
        }
        let value = whole.unwrap_or(Value::String(out));
        for leading in &self.guard.leading {
            if starts_anywhere(&value, leading) && !text.trim_start().starts_with(leading.as_str()) {
                self.fault(
                    last,
                    format!("the value makes the text start with `{leading}`, which the platform would evaluate"),
                );
            }
        }
        value
    }
}

/// About how many bytes of memory a document takes: its texts, and something for each value.
pub fn cost(value: &Value) -> usize {
    EACH_VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(cost).sum(),
            Value::Object(map) => map.iter().map(|(key, item)| key.len() + cost(item)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

/// Whether a text in a value starts so: a list or a table that is rendered as a whole brings texts of its own.
fn starts_anywhere(value: &Value, leading: &str) -> bool {
    match value {
        Value::String(text) => text.trim_start().starts_with(leading),
        Value::Array(items) => items.iter().any(|item| starts_anywhere(item, leading)),
        Value::Object(map) => map.values().any(|item| starts_anywhere(item, leading)),
        _ => false,
    }
}

/// Template files bring their own text and may be evaluated; a tenant's values may not.
fn check_containing(value: &Value, path: &Path, written: &str, guard: &Guard, faults: &mut Vec<Fault>) {
    if path.root() == "files" {
        return;
    }
    let text = value.to_string();
    for forbidden in &guard.containing {
        if text.contains(forbidden.as_str()) {
            faults.push(Fault {
                written: written.to_owned(),
                why: format!("the value contains `{forbidden}`, which the platform would evaluate"),
            });
        }
    }
}

fn append(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Null => {}
        other => out.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Inputs(Value);
    impl Scope for Inputs {
        fn value(&self, path: &Path) -> Result<Value, String> {
            path.0
                .iter()
                .try_fold(&self.0, |at, segment| at.get(segment))
                .cloned()
                .ok_or_else(|| format!("`{path}` is not defined"))
        }
    }

    fn inputs() -> Inputs {
        Inputs(json!({"inputs": {"n": 3, "name": "O\"Hara \\ <b>", "evil": "={{ $env }}", "liquid": "{{ x }}"}}))
    }

    #[test]
    fn a_value_cannot_break_out_and_keeps_its_type_when_alone() {
        let template = json!({"a": "<%= inputs.n %>", "b": "n = <%= inputs.n %>", "c": "<%= inputs.name %>"});
        let document = render(&template, &inputs(), &Guard::default()).unwrap();
        assert_eq!(document, json!({"a": 3, "b": "n = 3", "c": "O\"Hara \\ <b>"}));
    }

    #[test]
    fn a_table_cannot_bring_in_what_is_evaluated() {
        let guard = Guard {
            leading: vec!["=".to_owned()],
            ..Guard::default()
        };
        let scope = Inputs(json!({"inputs": {"list": ["a", {"b": "={{ $env }}"}], "fine": ["a"]}}));
        assert!(render(&json!("<%= inputs.list %>"), &scope, &guard).is_err());
        assert_eq!(render(&json!("<%= inputs.fine %>"), &scope, &guard), Ok(json!(["a"])));
    }

    #[test]
    fn what_is_not_there_is_replaced_only_where_the_template_says_so() {
        struct Absent;
        impl Scope for Absent {
            fn value(&self, path: &Path) -> Result<Value, String> {
                Err(format!("no {path}"))
            }
            fn is_absent(&self, path: &Path) -> bool {
                path.root() == "inputs"
            }
        }
        let fill = |text: &str| render(&json!(text), &Absent, &Guard::default());
        assert_eq!(fill("<%= inputs.a ?? [] %>"), Ok(json!([])));
        assert_eq!(fill("x<%= inputs.a ?? \"y\" %>"), Ok(json!("xy")));
        assert!(fill("<%= inputs.a %>").is_err());
        // A slip of the pen is not something that is absent.
        assert!(fill("<%= inptus.a ?? 1 %>").is_err());
    }

    #[test]
    fn a_document_that_grows_without_end_is_refused_once() {
        let large = Inputs(json!({"inputs": {"text": "x".repeat(1 << 20)}}));
        let template = json!(vec!["<%= inputs.text %><%= inputs.text %>"; 10_000]);
        let faults = render(&template, &large, &Guard::default()).unwrap_err();
        assert_eq!(faults.len(), 1, "{:?}", faults.first());
        assert!(
            faults[0].why.to_string().contains("more than 32 MiB"),
            "{}",
            faults[0].why
        );
        let fine = json!(vec!["<%= inputs.text %>"; 10]);
        assert!(render(&fine, &large, &Guard::default()).is_ok());
    }

    #[test]
    fn a_number_that_is_not_kept_is_refused_where_it_is_a_number() {
        let scope = Inputs(
            json!({"inputs": {"n": 9_007_199_254_740_993_u64, "list": [{"n": 9_007_199_254_740_993_u64}], "fine": 9_007_199_254_740_992_u64}}),
        );
        let doubles = Guard {
            doubles: true,
            ..Guard::default()
        };
        for template in ["<%= inputs.n %>", "<%= inputs.list %>"] {
            let faults = render(&json!(template), &scope, &doubles).unwrap_err();
            assert!(faults[0].why.starts_with("9007199254740993 is a number"), "{faults:?}");
            assert!(render(&json!(template), &scope, &Guard::default()).is_ok());
        }
        assert_eq!(
            render(&json!("n <%= inputs.n %>"), &scope, &doubles),
            Ok(json!("n 9007199254740993"))
        );
        assert!(render(&json!("<%= inputs.fine %>"), &scope, &doubles).is_ok());
    }

    #[test]
    fn every_fault_is_reported() {
        let template = json!(["<%= inputs.x %> <%= inputs.y %>", "<%= oops"]);
        let faults = render(&template, &inputs(), &Guard::default()).unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn values_that_would_be_evaluated_are_refused() {
        let n8n = Guard {
            leading: vec!["=".to_owned()],
            ..Guard::default()
        };
        assert!(render(&json!("<%= inputs.evil %>"), &inputs(), &n8n).is_err());
        assert!(render(&json!("x <%= inputs.evil %>"), &inputs(), &n8n).is_ok());
        assert!(render(&json!("=1 + <%= inputs.n %>"), &inputs(), &n8n).is_ok());
        let liquid = Guard {
            containing: vec!["{{".to_owned()],
            ..Guard::default()
        };
        assert!(render(&json!("x <%= inputs.liquid %>"), &inputs(), &liquid).is_err());
    }
}
