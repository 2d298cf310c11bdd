//! Edits of the files people write: one value changes, every comment and every other character stays. Pure.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstContainerNode, CstInputValue, CstNode, CstRootNode};
use serde_json::Value;
use similar::{DiffOp, capture_diff_slices};
use toml_edit::{DocumentMut, Item, Table};

use crate::number;
use crate::platform::fields::Spot;
use crate::template::expression::has_expression;
use crate::workspace::gates::Approval;

/// JSON as it is, without the liberties the parser could take.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A JSON text with another value at a spot; `None` takes it away. `None` comes back where the spot is not to be found.
pub fn json(text: &str, spot: &Spot, value: Option<&Value>) -> Option<String> {
    let bare = text.strip_prefix('\u{feff}');
    let root = CstRootNode::parse(bare.unwrap_or(text), &STRICT).ok()?;
    let mut at = root.value()?;
    for segment in &spot.path {
        at = match (at.as_object(), at.as_array()) {
            (Some(object), _) => object.get(segment)?.value()?,
            (_, Some(array)) => array.elements().into_iter().nth(segment.parse().ok()?)?,
            _ => return None,
        };
    }
    match (value, &spot.missing) {
        (Some(value), Some(key)) => {
            at.as_object()?.append(key, input(value));
        }
        (Some(value), None) => replace(at, input(value))?,
        (None, None) => match at.parent()? {
            CstContainerNode::ObjectProp(property) => property.remove(),
            _ => return None,
        },
        (None, Some(_)) => return None,
    }
    let mark = if bare.is_some() { "\u{feff}" } else { "" };
    Some(format!("{mark}{root}"))
}

fn replace(node: CstNode, value: CstInputValue) -> Option<()> {
    if let Some(node) = node.as_string_lit() {
        node.replace_with(value)?;
    } else if let Some(node) = node.as_number_lit() {
        node.replace_with(value)?;
    } else if let Some(node) = node.as_boolean_lit() {
        node.replace_with(value)?;
    } else if let Some(node) = node.as_null_keyword() {
        node.replace_with(value)?;
    } else if let Some(node) = node.as_object() {
        node.replace_with(value)?;
    } else {
        node.as_array()?.replace_with(value)?;
    }
    Some(())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

/// A TOML text with another value at a path that exists. `None` where it does not, or where TOML has no such value.
pub fn toml(text: &str, path: &[&str], value: &Value) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let mut at: &mut Item = document.as_item_mut();
    let (last, above) = path.split_last()?;
    for key in above {
        at = at.as_table_like_mut()?.get_mut(key)?;
    }
    let old = match at {
        Item::Value(toml_edit::Value::Array(items)) => items.get_mut(last.parse().ok()?)?,
        other => other.as_table_like_mut()?.get_mut(last)?.as_value_mut()?,
    };
    // Assigning would drop the comment behind the value.
    let decor = old.decor().clone();
    *old = toml_value(value)?;
    *old.decor_mut() = decor;
    Some(document.to_string())
}

/// A tenant's file with an approval in it, in place of an earlier one of the same gate.
pub fn approval(text: &str, gate: &str, approval: &Approval) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let approvals = document.entry("approvals").or_insert_with(|| {
        let mut table = Table::new();
        // Only the tables in it have a heading.
        table.set_implicit(true);
        Item::Table(table)
    });
    let mut table = Table::new();
    table.insert("by", toml_edit::value(approval.by.as_str()));
    let at: toml_edit::Datetime = approval.at.to_string().parse().ok()?;
    table.insert("at", toml_edit::value(at));
    table.insert("of", toml_edit::value(approval.of.as_str()));
    let approvals = approvals.as_table_like_mut()?;
    match approvals.get_mut(gate).and_then(Item::as_table_mut) {
        Some(old) => {
            for (key, value) in table {
                old.insert(&key, value);
            }
        }
        None => {
            approvals.insert(gate, Item::Table(table));
        }
    }
    Some(document.to_string())
}

fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => number.into(),
            // TOML has no integer of that size.
            (None, Some(double)) if number::is_double(number) => double.into(),
            (None, _) => return None,
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            let items: Option<Vec<toml_edit::Value>> = items.iter().map(toml_value).collect();
            toml_edit::Value::Array(items?.into_iter().collect())
        }
        Value::Object(map) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, value) in map {
                table.insert(key, toml_value(value)?);
            }
            table.into()
        }
    })
}

/// A text file such that it renders to `wanted`. `rendered` holds what each of its lines renders to now. Lines with an
/// expression stay as they are; `Err` names the first that somebody changed.
pub fn lines(
    text: &str,
    rendered: &[String],
    wanted: &str,
    inverse: &dyn Fn(&str) -> String,
) -> Result<String, String> {
    let written: Vec<&str> = text.split_inclusive('\n').collect();
    // What is rendered, line by line, and the written line each comes from.
    let mut now: Vec<&str> = Vec::new();
    let mut owner: Vec<usize> = Vec::new();
    for (index, text) in rendered.iter().enumerate() {
        for line in text.split_inclusive('\n') {
            now.push(line);
            owner.push(index);
        }
    }
    let then: Vec<&str> = wanted.split_inclusive('\n').collect();
    let is_expression = |owner: usize| written.get(owner).is_some_and(|line| has_expression(line));
    let refuse = |owner: usize| written.get(owner).unwrap_or(&"").trim().to_owned();
    let begins = |at: usize| at == 0 || owner.get(at) != owner.get(at - 1);
    let mut out = String::new();
    for op in capture_diff_slices(similar::Algorithm::Myers, &now, &then) {
        if !matches!(op, DiffOp::Equal { .. }) {
            for at in op.old_range() {
                if let Some(owner) = owner.get(at).filter(|owner| is_expression(**owner)) {
                    return Err(refuse(*owner));
                }
            }
            let at = op.old_range().start;
            if let Some(owner) = owner.get(at).filter(|_| op.old_range().is_empty() && !begins(at)) {
                return Err(refuse(*owner));
            }
            for line in then.get(op.new_range()).unwrap_or_default() {
                out.push_str(&inverse(line));
            }
            continue;
        }
        for at in op.old_range().filter(|at| begins(*at)) {
            let line = owner.get(at).and_then(|owner| written.get(*owner));
            out.push_str(line.unwrap_or(&""));
        }
    }
    // A last line that renders to nothing has no line to be kept by.
    if let (Some(last), Some("")) = (written.last(), rendered.last().map(String::as_str)) {
        out.push_str(last);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::fields::locate;
    use proptest::prelude::*;
    use serde_json::json;

    const TEXT: &str = "{\n    \"a\" : [1,  2],\n    \"ñ\": {\"b\": \"x\"},\n\n    \"c\": null\n}\n";

    fn edited(field: &str, value: Option<Value>) -> String {
        let document: Value = serde_json::from_str(TEXT).unwrap();
        json(TEXT, &locate(&document, &[], field).unwrap(), value.as_ref()).unwrap()
    }

    #[test]
    fn one_value_changes_and_the_layout_stays() {
        assert_eq!(edited("a.1", Some(json!(3))), TEXT.replace("2]", "3]"));
        assert_eq!(
            edited("ñ.b", Some(json!("\"q\"\n\\ {{ñ}}\t"))),
            TEXT.replace("\"x\"", "\"\\\"q\\\"\\n\\\\ {{ñ}}\\t\"")
        );
        assert_eq!(edited("c", None), TEXT.replace(",\n\n    \"c\": null\n", "\n\n"));
        let added: Value = serde_json::from_str(&edited("d", Some(json!({"e": [1]})))).unwrap();
        assert_eq!(added["d"], json!({"e": [1]}));
        let text = format!("\u{feff}{TEXT}");
        let document: Value = serde_json::from_str(TEXT).unwrap();
        let spot = locate(&document, &[], "c").unwrap();
        assert_eq!(json(&text, &spot, Some(&json!(1))), Some(text.replace("null", "1")));
    }

    #[test]
    fn toml_keeps_comments_and_layout() {
        let text =
            "# head\n[inputs]\nname = \"x\"   # who\nlist = [1, 2] # two\ndeep = { a = 1 }\n[inputs.more]\nb = true\n";
        assert_eq!(
            toml(text, &["inputs", "name"], &json!("y")).unwrap(),
            text.replace("\"x\"", "\"y\"")
        );
        assert_eq!(
            toml(text, &["inputs", "list", "1"], &json!(5)).unwrap(),
            text.replace("1, 2", "1, 5")
        );
        assert_eq!(
            toml(text, &["inputs", "deep", "a"], &json!(2.5)).unwrap(),
            text.replace("a = 1 ", "a = 2.5 ")
        );
        assert_eq!(
            toml(text, &["inputs", "more", "b"], &json!(false)).unwrap(),
            text.replace("true", "false")
        );
        let several = toml(text, &["inputs", "name"], &json!("a\nb \"c\"\n")).unwrap();
        assert_eq!(several, text.replace("\"x\"", "\"\"\"\na\nb \"c\"\n\"\"\""));
        assert_eq!(toml(text, &["inputs", "none"], &json!(1)), None);
        assert_eq!(toml(text, &["inputs", "name"], &json!(null)), None);
    }

    fn merge(text: &str, name: &str, wanted: &str) -> Result<String, String> {
        let rendered: Vec<String> = text
            .split_inclusive('\n')
            .map(|line| line.replace("<%= x %>", name))
            .collect();
        lines(text, &rendered, wanted, &|line| line.replace("SECRET", "<%= id %>"))
    }

    #[test]
    fn lines_with_expressions_stay() {
        let text = "You are <%= x %>.\nBe kind.\n<%= x %>\nBye.";
        assert_eq!(
            merge(
                text,
                "a\nb",
                "You are a\nb.\nBe very kind to SECRET.\nAnd quick.\na\nb\nBye."
            ),
            Ok("You are <%= x %>.\nBe very kind to <%= id %>.\nAnd quick.\n<%= x %>\nBye.".to_owned())
        );
        assert_eq!(
            merge(text, "a", "You are b.\nBe kind.\na\nBye."),
            Err("You are <%= x %>.".to_owned())
        );
        assert!(merge(text, "a\nb", "You are a\nand b.\nBe kind.\na\nb\nBye.").is_err());
    }

    proptest! {
        /// Whatever is accepted renders to what was wanted.
        #[test]
        fn what_is_merged_renders_to_what_is_wanted(text in "([ab]\n|<%= x %>\n|c<%= x %>d\n){0,6}[ab]?", name in "[ab\n]{0,4}", wanted in "([abcd]{1,2}\n){0,8}[ab]?") {
            if let Ok(merged) = merge(&text, &name, &wanted) {
                prop_assert_eq!(merged.replace("<%= x %>", &name), wanted);
            }
        }

        #[test]
        fn only_the_value_at_the_spot_changes(value in "\\PC{0,12}", number in any::<i32>()) {
            for value in [json!(value), json!(number), json!([value, {"k": number}])] {
                let after: Value = serde_json::from_str(&edited("ñ.b", Some(value.clone()))).unwrap();
                let mut expected: Value = serde_json::from_str(TEXT).unwrap();
                expected["ñ"]["b"] = value;
                prop_assert_eq!(after, expected);
            }
        }
    }
}
