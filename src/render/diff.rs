//! One difference for people: short values side by side, prompts and code as unified text.

use std::io::{self, Write};

use serde_json::Value;
use similar::TextDiff;

use super::{DIM, GREEN, RED, styled};
use crate::platform::FieldChange;
use crate::symbol;
use crate::visible::{on_one_line, shown};

/// Longer values are cut around the first place where they differ.
const LONGEST: usize = 160;
/// Lines around each change in a unified diff.
const CONTEXT: usize = 3;

/// Writes a difference, each line after `indent`; `note` goes behind its name.
pub fn write(out: &mut dyn Write, change: &FieldChange, note: Option<&str>, indent: &str) -> io::Result<()> {
    write!(out, "{indent}{}", on_one_line(&change.field))?;
    match note {
        Some(note) => writeln!(out, "  {}", styled(DIM, note))?,
        None => writeln!(out)?,
    }
    let (before, after) = (change.before.as_ref().map(text), change.after.as_ref().map(text));
    if let (Some(before), Some(after)) = (&before, &after)
        && (before.contains('\n') || after.contains('\n'))
    {
        return unified(out, before, after, indent);
    }
    let cut = match (&before, &after) {
        (Some(before), Some(after)) => common_start(before, after),
        _ => 0,
    };
    if let Some(before) = before {
        lines(out, RED, '-', &before, cut, indent)?;
    }
    if let Some(after) = after {
        lines(out, GREEN, '+', &after, cut, indent)?;
    }
    Ok(())
}

fn lines(
    out: &mut dyn Write,
    style: anstyle::Style,
    sign: char,
    text: &str,
    cut: usize,
    indent: &str,
) -> io::Result<()> {
    for line in text.lines().take(40) {
        writeln!(
            out,
            "{indent}  {}",
            styled(style, format!("{sign} {}", shorten(&shown(line), cut)))
        )?;
    }
    let more = text.lines().count().saturating_sub(40);
    if more > 0 {
        writeln!(
            out,
            "{indent}  {}",
            styled(style, format!("{sign} … and {more} more lines"))
        )?;
    }
    Ok(())
}

fn unified(out: &mut dyn Write, before: &str, after: &str, indent: &str) -> io::Result<()> {
    let diff = TextDiff::from_lines(before, after);
    for hunk in diff
        .unified_diff()
        .context_radius(CONTEXT)
        .missing_newline_hint(false)
        .iter_hunks()
    {
        writeln!(out, "{indent}  {}", hunk.header())?;
        for change in hunk.iter_changes() {
            let line = shown(change.value().trim_end_matches('\n'));
            let line = format!("{}{line}", change.tag());
            let line = match change.tag() {
                similar::ChangeTag::Delete => styled(RED, line),
                similar::ChangeTag::Insert => styled(GREEN, line),
                similar::ChangeTag::Equal => line,
            };
            writeln!(out, "{indent}  {line}")?;
        }
    }
    Ok(())
}

/// A value as text: strings as they are, anything else as JSON, unknown values in words.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) if text.contains('\n') => symbol::described(text),
        Value::String(text) => format!("\"{}\"", symbol::described(text)),
        other => symbol::described(&serde_json::to_string_pretty(other).unwrap_or_default()),
    }
}

fn common_start(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

fn shorten(text: &str, differs_at: usize) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text.to_owned();
    }
    let start = differs_at.saturating_sub(LONGEST / 4).min(length - LONGEST);
    let middle: String = text.chars().skip(start).take(LONGEST).collect();
    let (before, after) = (
        if start > 0 { "…" } else { "" },
        if start + LONGEST < length { "…" } else { "" },
    );
    format!("{before}{middle}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(before: Option<Value>, after: Option<Value>) -> String {
        let mut out = Vec::new();
        let change = FieldChange {
            field: "node \"A\" · x".to_owned(),
            before,
            after,
            mover: None,
        };
        write(&mut out, &change, None, "").unwrap();
        anstream::adapter::strip_bytes(&out)
            .into_vec()
            .into_iter()
            .map(char::from)
            .filter(char::is_ascii)
            .collect()
    }

    #[test]
    fn short_values_stand_under_each_other() {
        insta::assert_snapshot!(written(Some(json!(1)), Some(json!("b"))), @r#"
        node "A"  x
          - 1
          + "b"
        "#);
    }

    #[test]
    fn text_is_unified() {
        let before: String = (1..9).map(|line| format!("line {line}\n")).collect();
        let after = before.replace("line 5", "line five");
        insta::assert_snapshot!(written(Some(json!(before)), Some(json!(after))), @"
        node \"A\"  x
          @@ -2,7 +2,7 @@
           line 2
           line 3
           line 4
          -line 5
          +line five
           line 6
           line 7
           line 8
        ");
    }

    #[test]
    fn long_values_are_cut_where_they_differ() {
        let long = |end: &str| json!(format!("{}{end}", "a".repeat(500)));
        let text = written(Some(long("x")), Some(long("y")));
        assert!(text.contains("ax\"") && text.contains("ay\""), "{text}");
        assert!(text.lines().all(|line| line.len() < 200), "{text}");
    }
}
