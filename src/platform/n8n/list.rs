//! Reading the lists of an n8n instance to their end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::api::{Api, PAGES, workflow_id};
use super::observe::{listeners_of, object};
use super::{WORKFLOW, document};
use crate::platform::error::{ErrorKind, PlatformError};
use crate::platform::limits::{self, Page, Pages};
use crate::platform::{Answer, Credential, Listener, Reading};
use crate::resource::Kind;

/// Paging goes by offset, so a workflow that is deleted meanwhile shifts the next page: such a list is read again.
const MOST_LISTINGS: usize = 3;

/// What one listing of all workflows showed.
#[derive(Default)]
struct Listing {
    seen: BTreeSet<String>,
    /// Ours, and those that were asked for.
    objects: BTreeMap<(Kind, String), Reading>,
    listeners: Vec<Listener>,
    /// Whether a workflow was on it twice.
    repeated: bool,
}

impl Api {
    /// Lists until one listing saw no workflow twice; answers with the ids of `wanted` that were there, and with why what it
    /// saw cannot be believed, if so.
    pub(super) async fn list_all(
        &self,
        wanted: &BTreeSet<String>,
        mark_prefix: &str,
        answer: &mut Answer,
    ) -> Result<(BTreeSet<String>, Option<&'static str>), PlatformError> {
        let (mut size, mut smaller) = (PAGES[0], PAGES[1..].iter());
        let mut listings = 0;
        loop {
            let listing = match self.list_once(size, wanted, mark_prefix).await {
                // A cursor says how large the pages before it were: they are asked for anew.
                Err(error) if error.kind == ErrorKind::TooLarge => match smaller.next() {
                    Some(next) => {
                        size = *next;
                        continue;
                    }
                    None => return Err(error),
                },
                listing => listing?,
            };
            listings += 1;
            if !listing.repeated || listings == MOST_LISTINGS {
                answer.objects.extend(listing.objects);
                answer.listeners = listing.listeners;
                let why = "the list shows a workflow twice, each time it is read";
                let found = listing.seen.intersection(wanted).cloned().collect();
                return Ok((found, listing.repeated.then_some(why)));
            }
        }
    }

    async fn list_once(
        &self,
        size: usize,
        wanted: &BTreeSet<String>,
        mark_prefix: &str,
    ) -> Result<Listing, PlatformError> {
        let mut listing = Listing::default();
        let mut pages = Pages::default();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.list(size, cursor.as_deref()).await?;
            let before = listing.seen.len();
            for workflow in &page.items {
                let Some(id) = workflow_id(workflow) else {
                    return Err(unexpected(
                        "a workflow in the list has no id, or one that cannot be one",
                    ));
                };
                listing.repeated |= !listing.seen.insert(id.to_owned());
                let mark = document::tag(workflow, document::MARK);
                listing.listeners.extend(listeners_of(workflow, id));
                if mark.is_some_and(|mark| mark.starts_with(mark_prefix)) || wanted.contains(id) {
                    pages
                        .keep(page.memory / page.items.len().max(1))
                        .map_err(|why| unexpected(&why))?;
                    listing.objects.insert(
                        (Kind::new(WORKFLOW), id.to_owned()),
                        Reading::Present(Box::new(object(id, workflow))),
                    );
                }
            }
            let new = listing.seen.len() - before;
            match next(&mut pages, page.items.len(), new, page.next)? {
                None => return Ok(listing),
                next => cursor = next,
            }
        }
    }

    pub(super) async fn list_credentials(&self) -> Result<Vec<Credential>, PlatformError> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut pages = Pages::default();
        let mut cursor: Option<String> = None;
        loop {
            let page = self.credentials(cursor.as_deref()).await?;
            pages.keep(page.memory).map_err(|why| unexpected(&why))?;
            let before = seen.len();
            for credential in &page.items {
                let text = |key: &str| credential.get(key).and_then(Value::as_str).map(str::to_owned);
                let (Some(id), Some(name), Some(kind)) = (text("id"), text("name"), text("type")) else {
                    continue;
                };
                if !limits::is_assigned_id(&id) {
                    return Err(unexpected("a credential in the list has an id that cannot be one"));
                }
                if seen.insert(id.clone()) {
                    found.push(Credential { id, name, kind });
                }
            }
            match next(&mut pages, page.items.len(), seen.len() - before, page.next)? {
                None => return Ok(found),
                next => cursor = next,
            }
        }
    }
}

/// Where the next page is, if there is one.
fn next(pages: &mut Pages, count: usize, new: usize, cursor: Option<String>) -> Result<Option<String>, PlatformError> {
    let Some(next) = cursor else { return Ok(None) };
    let page = Page {
        count,
        new,
        next: &next,
        counted: false,
    };
    pages.follow(page).map_err(|why| unexpected(&why))?;
    Ok(Some(next))
}

fn unexpected(why: &str) -> PlatformError {
    PlatformError::new(ErrorKind::Unexpected, "GET list", why)
}
