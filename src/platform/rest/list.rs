//! Reading a list to its end, or until it is not worth it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::send::items;
use super::{Rest, own_id};
use crate::platform::definition::KindDefinition;
use crate::platform::definition::call::{List, Next};
use crate::platform::definition::path;
use crate::platform::definition::placeholder::Scope;
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::limits::{Page, Pages};

/// What a list showed.
pub(super) struct Listing {
    pub(super) items: Vec<Value>,
    /// Whether the last page was reached.
    pub(super) complete: bool,
}

impl Rest {
    /// Reads a list. With `most` it stops after that many pages, incomplete.
    pub(super) async fn list(
        &self,
        kind: &KindDefinition,
        list: &List,
        scope: &Scope<'_>,
        most: Option<usize>,
    ) -> Result<Listing, PlatformError> {
        let mut found: Vec<Value> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut read = Pages::default();
        let mut pages = 0;
        let mut number: usize = 1;
        let mut next: Vec<(String, String)> = Vec::new();
        let mut address: Option<String> = None;
        let wrong = |why: &str| PlatformError::new(ErrorKind::Unexpected, list.call.name(), why);
        loop {
            let mut further: Vec<(String, String)> = Vec::new();
            if let (Some(param), Some(size)) = (&list.size_param, list.size) {
                further.push((param.clone(), size.to_string()));
            }
            further.append(&mut next);
            let reply = self.send_page(&list.call, scope, &further, address.as_deref()).await?;
            let (answer, link) = (reply.body, reply.link);
            pages += 1;
            read.keep(reply.memory).map_err(|why| wrong(&why))?;
            let Some(page) = items(&answer, &list.items) else {
                return Err(wrong("the answer is not the list the definition promises"));
            };
            if list
                .incomplete
                .as_ref()
                .is_some_and(|at| path::at(&answer, at) == Some(&Value::Bool(true)))
            {
                return Err(wrong("the platform says that objects are missing from the list"));
            }
            let count = page.len();
            let last = page.last().map(|item| (*item).clone());
            let before = found.len();
            for item in page {
                self.check_object(item)?;
                // The same object twice is a tie between two pages where they follow each other by time.
                let id = own_id(kind, item).unwrap_or_else(|| item.to_string());
                if seen.insert(id) {
                    found.push(item.clone());
                } else if !matches!(list.next, Some(Next::After { .. })) {
                    return Err(wrong("the list shows an object twice: it changed while it was read"));
                }
            }
            let full = list.size.is_none_or(|size| count >= size);
            let more = |at: &Option<String>| match at {
                Some(at) => path::at(&answer, at) == Some(&Value::Bool(true)),
                None => full && count > 0,
            };
            address = None;
            let following = match &list.next {
                None => None,
                Some(Next::Cursor { cursor, param, more }) => text(&answer, cursor)
                    .filter(|_| {
                        more.is_none()
                            || path::at(&answer, more.as_deref().unwrap_or_default()) == Some(&Value::Bool(true))
                    })
                    .map(|value| (param.clone(), value)),
                Some(Next::Page { page, last, more: flag }) => {
                    let there = match last {
                        Some(last) => path::at(&answer, last)
                            .and_then(Value::as_u64)
                            .is_some_and(|last| (number as u64) < last),
                        None => more(flag),
                    };
                    number += 1;
                    there.then(|| (page.clone(), number.to_string()))
                }
                Some(Next::Offset { offset, more: flag }) => {
                    more(flag).then(|| (offset.clone(), found.len().to_string()))
                }
                Some(Next::After {
                    after,
                    param,
                    more: flag,
                }) => last
                    .as_ref()
                    .filter(|_| more(flag))
                    .and_then(|item| text(item, after))
                    .map(|value| (param.clone(), value)),
                Some(Next::Link) => {
                    address = match link.as_deref().and_then(next_link) {
                        Some(next) => Some(
                            self.below_base(next)
                                .ok_or_else(|| wrong("the next page is on another host"))?,
                        ),
                        None => None,
                    };
                    address.clone().map(|address| (String::new(), address))
                }
            };
            let Some((param, value)) = following else {
                return Ok(Listing {
                    items: found,
                    complete: true,
                });
            };
            let page = Page {
                count,
                new: found.len() - before,
                next: &value,
                counted: matches!(list.next, Some(Next::Page { .. })),
            };
            read.follow(page).map_err(|why| wrong(&why))?;
            if most.is_some_and(|most| pages >= most) {
                return Ok(Listing {
                    items: found,
                    complete: false,
                });
            }
            if address.is_none() {
                next.push((param, value));
            }
        }
    }

    /// An address below the account's own base URL: a list never leads to another host.
    fn below_base(&self, address: &str) -> Option<String> {
        let base = self.account.base_url.trim_end_matches('/');
        match address.strip_prefix(base) {
            Some(below) => Some(below.to_owned()),
            None => address.starts_with('/').then(|| address.to_owned()),
        }
    }
}

/// The address of the next page in a `Link` header (RFC 8288).
fn next_link(link: &str) -> Option<&str> {
    let next = link.split(',').find(|part| {
        let mut parameters = part.split(';').skip(1).map(str::trim);
        parameters.any(|parameter| parameter == "rel=\"next\"" || parameter == "rel=next")
    })?;
    next.split(';').next()?.trim().strip_prefix('<')?.strip_suffix('>')
}

fn text(value: &Value, at: &str) -> Option<String> {
    match path::at(value, at)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
