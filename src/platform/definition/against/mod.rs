//! A definition held against the vendor's contract, without asking the platform: each call is in the contract, each path
//! resolves in its answers, what is required can be sent, GraphQL documents are valid.
//!
//! Not looked at, because contracts do not say it or say it about another API: calls that sign in, paths in error
//! answers, `gone`, and what a document an operator writes will hold.

mod call;
mod sends;
mod suspend;

use super::call::{Call, List, Next, Read};
use super::file::OutOf;
use super::kind::{Marker, Wait};
use super::{Definition, KindDefinition};
use crate::platform::contract::{self, Contract, Document, Resolution};
use crate::problem::{Problem, did_you_mean, listed};

/// Everything in which a definition differs from a contract, each at its line.
pub fn against(definition: &Definition, contract: &Contract) -> Vec<Problem> {
    let mut look = Look {
        definition,
        contract,
        problems: Vec::new(),
    };
    if let Some(whoami) = &definition.whoami
        && let Some(answer) = look.call(None, &whoami.call, &[], false)
    {
        look.path("/whoami/at", &answer, &[&whoami.at]);
    }
    for (name, kind) in &definition.kinds {
        look.kind(
            &format!("/resource{}", crate::workspace::toml::pointer([name.as_str()])),
            kind,
        );
    }
    look.problems
}

struct Look<'a> {
    definition: &'a Definition,
    contract: &'a Contract,
    problems: Vec<Problem>,
}

/// What a call answers.
enum Answer<'a> {
    Rest(Option<contract::Schema<'a>>),
    Graphql(Box<Document>),
}

impl Answer<'_> {
    fn resolve(&self, path: &str) -> Resolution {
        match self {
            Self::Rest(Some(schema)) => schema.resolve(path),
            Self::Rest(None) => Resolution::Missing {
                at: path.to_owned(),
                inside: vec!["nothing".to_owned()],
                known: Vec::new(),
            },
            Self::Graphql(document) => document.resolve(path),
        }
    }
}

/// `a` below `b`.
fn below(b: &str, a: &str) -> String {
    [b, a]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(".")
}

impl<'a> Look<'a> {
    fn add(&mut self, problem: Problem, pointer: &str, hint: Option<String>) {
        let problem = problem.at(self.definition.toml.value_place(pointer));
        self.problems.push(match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        });
    }

    fn error(&mut self, pointer: &str, message: String, hint: Option<String>) {
        self.add(Problem::configuration(message), pointer, hint);
    }

    fn kind(&mut self, base: &str, kind: &KindDefinition) {
        let at = |key: &str| format!("{base}/{key}");
        let create = kind
            .create
            .as_ref()
            .and_then(|call| Some((call, self.call(Some(kind), call, &[], true)?)));
        if let Some((call, answer)) = &create {
            self.created(base, kind, call, answer);
        }
        let is_create = |call: &Call| {
            kind.create
                .as_ref()
                .is_some_and(|create| create.pointer == call.pointer)
        };
        if let Some(call) = kind.update.as_ref().filter(|call| !is_create(call)) {
            self.call(Some(kind), call, &[], false);
        }
        if let Some(call) = &kind.delete {
            self.call(Some(kind), call, &[], false);
        }
        for (key, list) in [("find", &kind.find), ("clash", &kind.clash), ("list", &kind.list)] {
            if let Some(list) = list {
                self.list(&at(key), kind, list);
            }
        }
        let read = match &kind.read {
            Read::Call(call) => self
                .call(Some(kind), call, &[], false)
                .map(|answer| (answer, call.live.as_str())),
            Read::Find | Read::Nothing => None,
        };
        if let Some((answer, live)) = &read {
            self.live(base, kind, answer, live);
        }
        if let Some(Marker::Call { call, .. }) = &kind.marker {
            self.call(Some(kind), call, &[], false);
        }
        let shown = read.as_ref().map(|(answer, live)| (answer, *live));
        self.suspend(&at("suspend"), kind, shown);
        if let Some(wait) = &kind.wait {
            let created = create.as_ref().map(|(call, answer)| (answer, call.live.as_str()));
            let read = read.as_ref().map(|(answer, live)| (answer, *live));
            self.wait(&at("wait"), kind, wait, created, read);
        }
        for (name, out) in &kind.out {
            let pointer = format!("{base}/out{}", crate::workspace::toml::pointer([name.as_str()]));
            let own = out.call.as_ref().map(|call| self.call(Some(kind), call, &[], false));
            let (answer, live) = match (&own, out.of, &create, &read) {
                (Some(Some(answer)), ..) => (answer, ""),
                (None, Some(OutOf::Create), Some((call, answer)), _) => (answer, call.live.as_str()),
                (None, None, _, Some((answer, live))) => (answer, *live),
                _ => continue,
            };
            let mut paths = vec![below(live, &out.at)];
            if out.of.is_some() {
                paths.push(out.at.clone());
            }
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            self.path(&format!("{pointer}/at"), answer, &paths);
        }
    }

    /// What stands in the answer of `create`, and what its body says about the document.
    fn created(&mut self, base: &str, kind: &KindDefinition, call: &Call, answer: &Answer<'_>) {
        let at = |key: &str| format!("{base}/{key}");
        match &kind.id_search {
            Some(search) => {
                let items = below(&call.live, &search.items);
                for (path, _) in &search.conditions {
                    self.path(&at("id"), answer, &[&below(&items, &format!("*.{path}"))]);
                }
                self.path(&at("id"), answer, &[&below(&items, &format!("*.{}", kind.id))]);
            }
            None if kind.key.is_none() && !kind.one => {
                let mut paths = vec![below(&call.live, &kind.id)];
                // An object that carries its mark from the first moment is found in the list, where its id is checked.
                if kind.is_born_marked() && (kind.find.is_some() || kind.list.is_some()) {
                    paths.push(call.live.clone());
                }
                let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
                self.path(&at("id"), answer, &paths);
            }
            None => {}
        }
        let Some(schema) = self.body_of(call) else { return };
        let places = call.body.as_ref().map(sends::places_of_spec).unwrap_or_default();
        if places.is_empty() {
            return;
        }
        let sent = |name: &str| {
            let first = name.split('.').next().unwrap_or_default();
            !call
                .drop
                .iter()
                .chain(&kind.inputs)
                .any(|path| path == name || path == first)
                && first != "*"
        };
        let mut named: Vec<(&str, &str)> = Vec::new();
        named.extend(kind.fixed.iter().map(|path| ("fixed", path.as_str())));
        named.extend(kind.unread.iter().map(|path| ("unread", path.as_str())));
        named.extend(kind.sets.iter().map(|path| ("sets", path.as_str())));
        named.extend(kind.alias.keys().map(|path| ("alias", path.as_str())));
        named.extend(kind.same.keys().map(|path| ("same", path.as_str())));
        named.extend(kind.lists.keys().map(|path| ("lists", path.as_str())));
        for (key, path) in named.into_iter().filter(|(_, path)| sent(path)) {
            let found: Vec<Resolution> = places.iter().map(|place| schema.resolve(&below(place, path))).collect();
            if let [Resolution::Missing { at: missing, known, .. }, ..] = found.as_slice()
                && found.iter().all(|found| matches!(found, Resolution::Missing { .. }))
            {
                let hint = near(missing, known);
                self.error(
                    &at(key),
                    format!("`{path}`: what is sent has no `{missing}` in the contract"),
                    hint,
                );
            }
        }
        if let Some(Marker::Tag {
            field,
            longest: Some(longest),
        }) = &kind.marker
            && let Some(Resolution::Found(facts)) = places.first().map(|place| schema.resolve(&below(place, field)))
            && let Some(most) = facts
                .max_length
                .filter(|most| u64::try_from(*longest).unwrap_or(u64::MAX) > *most)
        {
            self.error(
                &at("marker"),
                format!("`longest = {longest}`, and the contract takes {most} characters"),
                None,
            );
        }
    }

    /// What stands in an object that is read.
    fn live(&mut self, base: &str, kind: &KindDefinition, answer: &Answer<'_>, live: &str) {
        let at = |key: &str| format!("{base}/{key}");
        if let Read::Call(call) = &kind.read
            && !self.path(&format!("{}/live", call.pointer), answer, &[live])
        {
            return;
        }
        let marks: Vec<&str> = match &kind.marker {
            Some(Marker::Placed { at, .. } | Marker::Call { at, .. }) => vec![at],
            _ => sends::marks(kind),
        };
        for mark in marks {
            self.path(&at("marker"), answer, &[&below(live, mark)]);
        }
        if let Some(owner) = &self.definition.owner {
            self.path("/owner", answer, &[&below(live, owner)]);
        }
        for name in kind.alias.values() {
            self.path(&at("alias"), answer, &[&below(live, name)]);
        }
    }

    fn list(&mut self, pointer: &str, kind: &KindDefinition, list: &List) {
        let mut paging: Vec<&str> = list.size_param.iter().map(String::as_str).collect();
        let mut paths: Vec<(&str, String)> = list
            .incomplete
            .iter()
            .map(|path| ("incomplete", path.clone()))
            .collect();
        // A path with `*` already leads to every object; any other leads to the list that holds them.
        let every = if list.items.contains('*') {
            list.items.clone()
        } else {
            below(&list.items, "*")
        };
        let item = |path: &str| below(&every, path);
        match &list.next {
            Some(Next::Cursor { cursor, param, more }) => {
                paging.push(param);
                paths.extend([cursor].into_iter().chain(more).map(|path| ("next", path.clone())));
            }
            Some(Next::Page { page, last, more }) => {
                paging.push(page);
                paths.extend(last.iter().chain(more).map(|path| ("next", path.clone())));
            }
            Some(Next::Offset { offset, more }) => {
                paging.push(offset);
                paths.extend(more.iter().map(|path| ("next", path.clone())));
            }
            Some(Next::After { after, param, more }) => {
                paging.push(param);
                paths.push(("next", item(after)));
                paths.extend(more.iter().map(|path| ("next", path.clone())));
            }
            Some(Next::Link) | None => {}
        }
        let Some(answer) = self.call(Some(kind), &list.call, &paging, false) else {
            return;
        };
        let key = |key: &str| format!("{pointer}/{key}");
        if !list.items.contains('*')
            && let Resolution::Found(facts) = answer.resolve(&list.items)
            && !facts.types.is_empty()
            && !facts.types.iter().any(|name| name == "array")
        {
            let what = match list.items.as_str() {
                "" => "the answer".to_owned(),
                items => format!("`{items}`"),
            };
            let hint = "say with `items` where the list is in the answer".to_owned();
            return self.error(
                &key("items"),
                format!("{what} is no list in the contract, but {}", facts.types.join(" or ")),
                Some(hint),
            );
        }
        if self.path(&key("items"), &answer, &[&list.items]) {
            for (path, _) in &list.conditions {
                self.path(&key("where"), &answer, &[&item(path)]);
            }
            if kind.key.is_none() && !kind.one && !kind.gate {
                self.path(pointer, &answer, &[&item(&kind.id)]);
            }
        }
        for (name, path) in paths {
            self.path(&key(name), &answer, &[&path]);
        }
    }

    fn wait(
        &mut self,
        pointer: &str,
        kind: &KindDefinition,
        wait: &Wait,
        created: Option<(&Answer<'_>, &str)>,
        read: Option<(&Answer<'_>, &str)>,
    ) {
        if let (Some(each), Some((answer, live))) = (&wait.each, created) {
            self.path(&format!("{pointer}/each"), answer, &[&below(live, each), each]);
        }
        let own = wait.call.as_ref().map(|call| self.call(Some(kind), call, &[], false));
        let (answer, live) = match (&own, read) {
            (Some(Some(answer)), _) => (answer, ""),
            (None, Some((answer, live))) => (answer, live),
            _ => return,
        };
        let inside = below(live, &wait.at);
        if !self.path(&format!("{pointer}/at"), answer, &[&inside, &wait.at]) {
            return;
        }
        let found = [answer.resolve(&inside), answer.resolve(&wait.at)];
        let Some(Resolution::Found(facts)) = found
            .into_iter()
            .find(|found| !matches!(found, Resolution::Missing { .. }))
        else {
            return;
        };
        for (key, values) in [("ok", &wait.ok), ("fail", &wait.fail), ("pending", &wait.pending)] {
            for value in values
                .iter()
                .filter(|value| !facts.values.is_empty() && !facts.values.contains(value))
            {
                let known: Vec<String> = facts.values.iter().map(ToString::to_string).collect();
                let message = format!(
                    "{value} is no state of `{}` in the contract; known: {}",
                    wait.at,
                    listed(known.iter().map(String::as_str))
                );
                self.error(&format!("{pointer}/{key}"), message, None);
            }
        }
    }

    /// One of the paths must be in the answer; says so otherwise, about the first.
    fn path(&mut self, pointer: &str, answer: &Answer<'_>, paths: &[&str]) -> bool {
        let mut first = None;
        for path in paths {
            match answer.resolve(path) {
                Resolution::Missing { at, inside, known } => first = first.or(Some((at, inside, known))),
                Resolution::Found(_) | Resolution::Free => return true,
            }
        }
        if let Some((at, inside, known)) = first {
            let message = match inside.as_slice() {
                [nothing] if nothing == "nothing" => "the contract's answer has no body".to_owned(),
                _ => format!("the contract's answer has no `{at}`"),
            };
            self.error(pointer, message, near(&at, &known));
        }
        false
    }
}

/// A hint for a name that is nearly one of the known ones, or a list of those.
fn near(missing: &str, known: &[String]) -> Option<String> {
    let last = missing.rsplit('.').next().unwrap_or(missing);
    let names = || known.iter().map(String::as_str);
    match did_you_mean(last, names()) {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => (!known.is_empty()).then(|| format!("known there: {}", listed(names()))),
    }
}
