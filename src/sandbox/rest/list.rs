//! Lists: what is asked for, page by page, in every style a definition knows.

use std::time::Duration;

use serde_json::{Value, json};

use super::Service;
use super::route::{LINK_PARAMETER, Matched};
use super::said::Said;
use super::shape::{bare, place, place_list};
use super::stored::{self, Stored};
use crate::outside;
use crate::platform::definition::call::{List, Next};
use crate::platform::definition::placeholder::Root;
use crate::platform::definition::{KindDefinition, object, path};
use crate::sandbox::clock::Moment;
use crate::sandbox::faults::Twist;
use crate::sandbox::http::{Answer, Request};
use crate::sandbox::store::StoreError;

/// How many objects a page holds where the definition does not say.
const USUAL_SIZE: usize = 100;
/// A new object is missing from lists for as long as the definition says, but no longer than this.
const LONGEST_LAG: Duration = Duration::from_millis(300);

/// A part of a list.
struct Page {
    items: Vec<Value>,
    /// Where it begins, counted from 0.
    from: usize,
    size: usize,
    total: usize,
    /// Whether there is another page.
    more: bool,
}

impl Service {
    pub(super) fn list(
        &self,
        kind: &KindDefinition,
        list: &List,
        matched: &Matched<'_>,
        request: &Request,
        twist: Option<&Twist>,
    ) -> Result<Answer, StoreError> {
        let objects = self.objects(kind, list, &matched.said, twist)?;
        let mut page = match page(kind, list, matched, objects, twist) {
            Ok(page) => page,
            Err(why) => return Ok(self.plain(400, &why)),
        };
        match twist {
            Some(Twist::Short(count)) => {
                page.items.truncate(page.items.len().saturating_sub(*count));
                page.more = false;
            }
            Some(Twist::Repeat) => page.items.extend(page.items.first().cloned()),
            Some(Twist::Endless(count)) => {
                page.items.extend((0..*count).map(|_| made_up(kind, list)));
                page.more = true;
            }
            _ => {}
        }
        let mut answer = match list.items.is_empty() {
            true => Value::Array(Vec::new()),
            false => json!({}),
        };
        if !list.items.is_empty() {
            self.next(list, &page, twist, &mut answer);
            if let Some(at) = &list.incomplete {
                place(&mut answer, at, Value::from(false));
            }
        }
        let link = matches!(list.next, Some(Next::Link)) && page.more;
        let next = if matches!(twist, Some(Twist::Loop)) {
            page.from
        } else {
            page.from + page.size
        };
        place_list(&mut answer, &list.items, page.items);
        let answer = Answer::json(200, &self.successful(answer));
        Ok(match link {
            true => answer.with("link", self.link(request, next)),
            false => answer,
        })
    }

    /// Everything a list is asked for, newest first.
    fn objects(
        &self,
        kind: &KindDefinition,
        list: &List,
        said: &Said,
        twist: Option<&Twist>,
    ) -> Result<Vec<Value>, StoreError> {
        let rows = self.store.read(&self.account)?;
        let placed = Said::placed(&said.inputs);
        let stale = matches!(twist, Some(Twist::Stale));
        let lag = i64::try_from(kind.lag.min(LONGEST_LAG).as_millis()).unwrap_or_default();
        let now = Moment::now().0;
        let is_seen = |stored: &Stored| {
            let shows = lag == 0 || stored.born + lag <= now;
            shows && !twist.is_some_and(|twist| twist.hides(&stored.own, true))
        };
        let mut found: Vec<Value> = stored::all(&rows, kind, &placed)?
            .into_iter()
            .filter(is_seen)
            .filter_map(|stored| stored.shown(kind, stale))
            .filter(|object| is_asked_for(kind, list, said, object))
            .collect();
        found.sort_by_key(|object| std::cmp::Reverse(text(object, "createdAt")));
        Ok(found)
    }

    /// Says how the next page is asked for.
    fn next(&self, list: &List, page: &Page, twist: Option<&Twist>, answer: &mut Value) {
        let flag = |answer: &mut Value, at: &Option<String>| {
            if let Some(at) = at {
                place(answer, at, Value::from(page.more));
            }
        };
        match &list.next {
            Some(Next::Cursor { cursor, more, .. }) => {
                let next = if matches!(twist, Some(Twist::Loop)) {
                    0
                } else {
                    page.from + page.size
                };
                // Relay answers a cursor on the last page too, and `more` says that it leads nowhere.
                if page.more || more.is_some() {
                    place(answer, cursor, Value::from(format!("c{next}")));
                }
                flag(answer, more);
            }
            Some(Next::Page { last, more, .. }) => {
                if let Some(at) = last {
                    let last = match page.more {
                        true => page.total.div_ceil(page.size).max(page.from / page.size + 2),
                        false => page.from / page.size + 1,
                    };
                    place(answer, at, Value::from(last));
                }
                flag(answer, more);
            }
            Some(Next::Offset { more, .. } | Next::After { more, .. }) => flag(answer, more),
            Some(Next::Link) | None => {}
        }
    }

    /// The header that names the next page.
    fn link(&self, request: &Request, next: usize) -> String {
        let host = request.header("host").unwrap_or_default();
        let prefix = format!("{LINK_PARAMETER}=");
        let kept = request
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with(&prefix));
        let query: Vec<String> = kept.map(str::to_owned).chain([format!("{prefix}{next}")]).collect();
        let query = query.join("&");
        format!("<http://{host}/{}{}?{query}>; rel=\"next\"", self.account, request.path)
    }
}

/// An object that nobody made. Its id and what the next page is asked for by are new each time.
fn made_up(kind: &KindDefinition, list: &List) -> Value {
    let mut object = json!({});
    let fresh = || Value::from(outside::random_id().to_string());
    place(&mut object, &kind.id, fresh());
    if let Some(Next::After { after, .. }) = &list.next {
        place(&mut object, after, fresh());
    }
    object
}

/// Whether an object is what the query of a call asks for: by the list's own conditions, else by the mark or the field.
fn is_asked_for(kind: &KindDefinition, list: &List, said: &Said, shown: &Value) -> bool {
    said.asked.iter().all(|(hole, value)| {
        let is_condition = |(_, text): &&(String, _)| {
            let text: &crate::platform::definition::placeholder::Text = text;
            text.holes().eq([hole]) && text.shape() == "{}"
        };
        let holds = |at: &str| path::all(shown, at).into_iter().any(|found| bare(found) == bare(value));
        match (list.conditions.iter().find(is_condition), &hole.root) {
            (_, Root::Input(_)) => true,
            (Some((at, _)), _) => holds(at),
            (None, Root::Owner) => object::shown(kind, shown).1.is(&bare(value)),
            (None, Root::Spec) => holds(kind.alias.get(&hole.path).unwrap_or(&hole.path)),
            (None, _) => true,
        }
    })
}

/// Cuts a page out of everything.
fn page(
    kind: &KindDefinition,
    list: &List,
    matched: &Matched<'_>,
    mut objects: Vec<Value>,
    twist: Option<&Twist>,
) -> Result<Page, String> {
    let number = |name: &str| -> Result<Option<usize>, String> {
        let Some(value) = matched.paging(name) else {
            return Ok(None);
        };
        let number = bare(value).parse().map_err(|_| format!("`{name}` must be a number"))?;
        Ok(Some(number))
    };
    let most = list.size.unwrap_or(USUAL_SIZE);
    let asked = match &list.size_param {
        Some(name) => number(name)?,
        None => None,
    };
    if let Some(asked) = asked.filter(|asked| *asked == 0 || *asked > most) {
        return Err(format!("a page holds 1 to {most} objects, not {asked}"));
    }
    let size = match &list.next {
        None => objects.len().max(1),
        Some(_) => asked.unwrap_or(most),
    };
    let is_loop = matches!(twist, Some(Twist::Loop));
    let from = match &list.next {
        None => 0,
        Some(Next::Cursor { param, .. }) => match matched.paging(param) {
            None => 0,
            Some(cursor) => bare(cursor)
                .strip_prefix('c')
                .and_then(|offset| offset.parse().ok())
                .ok_or("the cursor is not valid")?,
        },
        Some(Next::Page { page, .. }) => number(page)?.unwrap_or(1).saturating_sub(1) * size,
        Some(Next::Offset { offset, .. }) => number(offset)?.unwrap_or(0),
        Some(Next::Link) => number(LINK_PARAMETER)?.unwrap_or(0),
        Some(Next::After { after, param, .. }) => {
            let bound = matched.paging(param).map(bare).filter(|_| !is_loop);
            if bound.is_some() && matches!(twist, Some(Twist::Endless(_))) {
                objects.clear();
            } else if let Some(bound) = bound {
                after_bound(kind, after, param, &bound, &mut objects)?;
            }
            0
        }
    };
    let from = match twist {
        Some(Twist::Skip) => from + size,
        _ => from,
    };
    let total = objects.len();
    let items: Vec<Value> = objects.into_iter().skip(from).take(size).collect();
    Ok(Page {
        more: is_loop || from + items.len() < total,
        items,
        from,
        size,
        total,
    })
}

/// Keeps what follows a value of the last object: its id, or its time (with others of the same time, unless the name of
/// the parameter says otherwise).
fn after_bound(
    kind: &KindDefinition,
    after: &str,
    param: &str,
    bound: &str,
    objects: &mut Vec<Value>,
) -> Result<(), String> {
    if after == kind.id {
        let at = objects.iter().position(|object| text(object, after) == bound);
        let at = at.ok_or_else(|| format!("`{param}` names no object"))?;
        objects.drain(..=at);
        return Ok(());
    }
    let (is_strict, is_rising) = (
        param.ends_with("Lt") || param.ends_with("Gt"),
        param.contains("Gt") || param.contains("Ge"),
    );
    if is_rising {
        objects.reverse();
    }
    objects.retain(|object| {
        let own = text(object, after);
        let same = own == bound;
        (same && !is_strict) || (!same && (own.as_str() < bound) != is_rising)
    });
    Ok(())
}

fn text(object: &Value, at: &str) -> String {
    path::at(object, at).map(bare).unwrap_or_default()
}
