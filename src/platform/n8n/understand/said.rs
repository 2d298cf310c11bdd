//! What a parameter says, where n8n may evaluate it.

/// A parameter's value, as far as it is known before n8n runs it.
#[derive(Debug, PartialEq, Eq)]
pub enum Said<'t> {
    /// This text: written as it is, or as an expression that is nothing but a text.
    Text(&'t str),
    /// The id of the workflow itself.
    OwnId,
    /// What only a run tells.
    Computed,
}

/// What a text says: `x`, `=x`, `={{ 'x' }}`, `={{ $workflow.id }}`, or anything else.
pub fn said(text: &str) -> Said<'_> {
    let Some(evaluated) = text.strip_prefix('=') else {
        return Said::Text(text);
    };
    if !evaluated.contains("{{") {
        return Said::Text(evaluated);
    }
    let inner = evaluated
        .trim()
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    let Some(inner) = inner.map(str::trim) else {
        return Said::Computed;
    };
    if inner == "$workflow.id" {
        return Said::OwnId;
    }
    let quoted = ['\'', '"', '`'].into_iter().find_map(|quote| {
        let text = inner.strip_prefix(quote)?.strip_suffix(quote)?;
        let plain = !text.contains([quote, '\\', '\n']) && (quote != '`' || !text.contains("${"));
        plain.then_some(text)
    });
    quoted.map_or(Said::Computed, Said::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_behind_an_equals_sign_is_a_text() {
        for (written, expected) in [
            ("x", Said::Text("x")),
            ("", Said::Text("")),
            ("=x", Said::Text("x")),
            ("=", Said::Text("")),
            ("={{ 'x' }}", Said::Text("x")),
            ("= {{\"a b\"}} ", Said::Text("a b")),
            ("={{`x`}}", Said::Text("x")),
            ("={{ $workflow.id }}", Said::OwnId),
            ("={{$workflow.id}}", Said::OwnId),
            ("={{ $workflow.id + 1 }}", Said::Computed),
            ("=a{{ $workflow.id }}", Said::Computed),
            ("={{ 'a' + 'b' }}", Said::Computed),
            ("={{ 'a\\'b' }}", Said::Computed),
            ("={{ `a${x}` }}", Said::Computed),
            ("={{ $json.id }}", Said::Computed),
            ("={{ 1 }}", Said::Computed),
            ("={{ ' }}", Said::Computed),
        ] {
            assert_eq!(said(written), expected, "{written}");
        }
    }
}
