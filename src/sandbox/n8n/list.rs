//! Lists: `limit`, `offset` and `cursor` as all of n8n's lists read them, and the list of workflows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::json;

use super::super::faults::Twist;
use super::super::http::Answer;
use super::session::PROJECT;
use super::session::Refusal;
use super::session::Session;
use super::shape;
use super::tag;
use super::view;
use super::workflow::Index;

const MOST: usize = 250;

/// A window of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    pub offset: usize,
    /// 0 means everything (and then the cursor never ends).
    pub limit: usize,
}

impl Page {
    /// `strict` cursors must name an offset; the workflow list accepts any JSON object (seen).
    pub fn of(session: &Session<'_>, strict: bool) -> Result<Page, Refusal> {
        let mut page = Page {
            offset: number(session, "offset", 0)?,
            limit: number(session, "limit", 100)?.min(MOST),
        };
        let cursor = session.request.param("cursor").filter(|text| !text.is_empty());
        if let Some(cursor) = cursor {
            let invalid = || Refusal::new(400, "An invalid cursor was provided");
            let decoded = decode_cursor(&cursor).ok_or_else(invalid)?;
            let member = |name: &str| decoded.get(name).and_then(Value::as_u64).map(|n| n as usize);
            match member("offset") {
                Some(offset) => page.offset = offset,
                None if strict => return Err(invalid()),
                None => {}
            }
            page.limit = member("limit").unwrap_or(page.limit);
        }
        if let Some(size) = session.request.page_size {
            page.limit = page.limit.min(size);
        }
        if matches!(session.request.twist, Some(Twist::Skip)) {
            page.offset += page.limit;
        }
        Ok(page)
    }

    pub fn of_slice<'i, T>(&self, items: &'i [T]) -> &'i [T] {
        let from = self.offset.min(items.len());
        let to = match self.limit {
            0 => items.len(),
            limit => (from + limit).min(items.len()),
        };
        &items[from..to]
    }

    pub fn next_cursor(&self, total: usize) -> Value {
        let next = self.offset + self.limit;
        if total > next {
            json!(encode_cursor(&json!({"limit": self.limit, "offset": next})))
        } else {
            Value::Null
        }
    }
}

pub fn decode_cursor(cursor: &str) -> Option<Value> {
    let bytes = STANDARD.decode(cursor).ok()?;
    let value: Value = serde_json::from_slice(&bytes).ok()?;
    value.is_object().then_some(value)
}

pub fn encode_cursor(value: &Value) -> String {
    STANDARD.encode(value.to_string())
}

/// A non-negative number of the query.
pub fn number(session: &Session<'_>, name: &str, otherwise: usize) -> Result<usize, Refusal> {
    let Some(text) = session.request.param(name).filter(|text| !text.is_empty()) else {
        return Ok(otherwise);
    };
    // JavaScript's parseInt: a leading number counts, whatever follows.
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let refuse = |what: &str| {
        let message = format!("request/query/{name} Param `{name}` must be a {what} integer");
        Err(Refusal::new(400, message))
    };
    match digits[..length].parse::<usize>() {
        Err(_) => refuse("valid"),
        Ok(value) if value > 0 && text.starts_with('-') => refuse("non-negative"),
        Ok(value) => Ok(value),
    }
}

/// `true` or `false` of the query, in these words only.
pub fn flag(session: &Session<'_>, name: &str) -> Result<Option<bool>, Refusal> {
    match session.request.param(name).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => {
            let issue = shape::one_of(&["true", "false"], other);
            Err(Refusal::new(400, format!("request/query/{name} {issue}")))
        }
    }
}

/// `GET /workflows`
pub fn workflows(session: &Session<'_>) -> Result<Answer, Refusal> {
    let page = Page::of(session, false)?;
    let without_pinned = flag(session, "excludePinnedData")?.unwrap_or(false);
    let rows = session.rows;
    let tags = tag::all(rows)?;
    let wanted = Filter::of(session)?;
    let mut found: Vec<Index> = Vec::new();
    for (_, index) in rows.scan::<Index>("index", "")? {
        let names = index
            .tags
            .iter()
            .filter_map(|id| tags.get(id))
            .map(|tag| tag.name.as_str());
        if wanted.admits(&index, &names.collect::<Vec<_>>()) {
            found.push(index);
        }
    }
    let shown = page.of_slice(&found);
    let ids = || shown.iter().map(|index| index.id.as_str());
    let entries = rows.texts("entry", ids())?;
    let pinned = if without_pinned {
        vec![None; shown.len()]
    } else {
        let null = || Some(b"null".to_vec());
        rows.texts("pinned", ids())?
            .into_iter()
            .map(|row| row.or_else(null))
            .collect()
    };
    let mut body = b"{\"data\":[".to_vec();
    for (at, ((index, entry), pinned)) in shown.iter().zip(entries).zip(pinned).enumerate() {
        if at > 0 {
            body.push(b',');
        }
        let entry = entry.unwrap_or_default();
        let tags = tag::shown_of(&tags, &index.tags);
        body.extend(view::list_entry(index, &entry, tags, pinned.as_deref()));
    }
    let cursor = page.next_cursor(found.len());
    body.extend_from_slice(format!("],\"nextCursor\":{cursor}}}").as_bytes());
    Ok(Answer::json_text(200, body))
}

struct Filter {
    name: Option<String>,
    active: Option<bool>,
    tags: Vec<String>,
    project: Option<String>,
}

impl Filter {
    fn of(session: &Session<'_>) -> Result<Filter, Refusal> {
        let filled = |name: &str| session.request.param(name).filter(|text| !text.is_empty());
        let tags = filled("tags").unwrap_or_default();
        Ok(Filter {
            name: filled("name"),
            active: flag(session, "active")?,
            tags: tags
                .split(',')
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
            project: filled("projectId"),
        })
    }

    fn admits(&self, index: &Index, tags: &[&str]) -> bool {
        self.name.as_ref().is_none_or(|wanted| like(&index.name, wanted))
            && self
                .active
                .is_none_or(|wanted| wanted == index.active_version.is_some())
            && self.tags.iter().all(|wanted| tags.contains(&wanted.as_str()))
            && self.project.as_ref().is_none_or(|wanted| wanted == PROJECT)
    }
}

/// SQL's `LIKE '%pattern%'` as SQLite has it: `_` is any character, `%` any text, ASCII case is ignored.
fn like(text: &str, pattern: &str) -> bool {
    fn here(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => true,
            Some(('%', rest)) => (0..=text.len()).any(|from| here(&text[from..], rest)),
            Some((wanted, rest)) => text.split_first().is_some_and(|(found, after)| {
                (*wanted == '_' || found.eq_ignore_ascii_case(wanted)) && here(after, rest)
            }),
        }
    }
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    (0..=text.len()).any(|from| here(&text[from..], &pattern))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_in_sql() {
        assert!(like("Welcs · Reception", "reception"));
        assert!(like("conf-a", "f_a"));
        assert!(like("conf-abc", "c%-%c"));
        assert!(!like("conf-a", "conf-b"));
    }
}
