//! From what a file says to kinds the engine can drive, with every contradiction at its line.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::call::{Call, Common, List, Read};
use super::file::{CallFile, DefinitionFile, IdFile, KindFile, Lost, MarkerFile, WaitFile};
use super::kind::{IdSearch, KindDefinition, Marker, Out, Renew, Wait};
use super::placeholder::{self, Hole, Root, Text};
use super::scope;
use super::suspend::{self, Suspend};
use crate::problem::Problem;
use crate::workspace::toml::Toml;

/// Findings about one file.
pub(super) struct Findings<'a> {
    pub(super) toml: &'a Toml,
    pub(super) problems: Vec<Problem>,
}

impl Findings<'_> {
    pub(super) fn add(&mut self, pointer: &str, what: &str, hint: &str) {
        let problem = Problem::configuration(what).at(self.toml.value_place(pointer));
        self.problems.push(problem.hint(hint));
    }

    /// A text with placeholders.
    pub(super) fn text(&mut self, pointer: &str, text: &str) -> Option<Text> {
        match Text::parse(text) {
            Ok(text) => Some(text),
            Err(why) => {
                self.add(
                    pointer,
                    &why,
                    "placeholders are `{id}`, `{spec.name}`, `{owner}` and the kind's inputs",
                );
                None
            }
        }
    }

    /// The placeholders in a body.
    pub(super) fn holes(&mut self, pointer: &str, body: &Value) -> Vec<Hole> {
        match placeholder::holes(body) {
            Ok(holes) => holes,
            Err(why) => {
                self.add(
                    pointer,
                    &why,
                    "placeholders are `{id}`, `{spec.name}`, `{owner}` and the kind's inputs",
                );
                Vec::new()
            }
        }
    }

    pub(super) fn duration(&mut self, pointer: &str, text: &str) -> Duration {
        match duration(text) {
            Some(duration) => duration,
            None => {
                self.add(
                    pointer,
                    &format!("`{text}` is no length of time"),
                    "write `500ms`, `5s`, `20m`, `24h` or `2d`",
                );
                Duration::ZERO
            }
        }
    }
}

/// A length of time: `500ms`, `5s`, `20m`, `24h`, `2d`.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" | "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// How often, per second: `10/s`, `100/min`, `100/10s`.
pub fn per_second(text: &str) -> Option<f64> {
    let (number, time) = text.split_once('/')?;
    let number: u32 = number.trim().parse().ok().filter(|number| *number > 0)?;
    let time = time.trim();
    let time = if time.starts_with(|c: char| c.is_ascii_digit()) {
        duration(time)?
    } else {
        duration(&format!("1{time}"))?
    };
    (!time.is_zero()).then(|| f64::from(number) / time.as_secs_f64())
}

/// Compiles one kind.
pub(super) fn kind(
    findings: &mut Findings<'_>,
    definition: &DefinitionFile,
    name: &str,
    file: &KindFile,
) -> Option<KindDefinition> {
    let before = findings.problems.len();
    let base = format!("/resource{}", crate::workspace::toml::pointer([name]));
    let at = |key: &str| format!("{base}/{key}");
    let common = Common {
        graphql: &definition.graphql,
        live: &file.live,
        hosts: &definition.hosts,
    };
    let list = file
        .list
        .as_ref()
        .and_then(|call| List::compile(findings, &at("list"), call, common, None));
    let find = file
        .find
        .as_ref()
        .and_then(|call| List::compile(findings, &at("find"), call, common, list.as_ref()));
    let clash = file
        .clash
        .as_ref()
        .and_then(|call| List::compile(findings, &at("clash"), call, common, list.as_ref().or(find.as_ref())));
    let create = file
        .create
        .as_ref()
        .and_then(|call| Call::compile(findings, &at("create"), call, common, true));
    let update = match &file.update {
        Some(CallFile::Text(word)) if word == "create" => create.clone(),
        Some(call) => Call::compile(findings, &at("update"), call, common, true),
        None => None,
    };
    let delete = match &file.delete {
        Some(CallFile::Text(word)) if word == "none" => None,
        Some(call) => Call::compile(findings, &at("delete"), call, common, false),
        None if file.gate => None,
        None => {
            findings.add(
                &base,
                &format!("`{name}` does not say how it is deleted"),
                "add `delete = \"DELETE /…/{id}\"`, or `delete = \"none\"`: it is left behind",
            );
            None
        }
    };
    let read = match &file.read {
        Some(CallFile::Text(word)) if word == "none" => Read::Nothing,
        Some(CallFile::Table(table)) if table.find => {
            if find.is_none() && list.is_none() {
                findings.add(
                    &at("read"),
                    "there is no `find` and no `list` to read through",
                    "add `list = { call = …, items = … }`",
                );
            }
            Read::Find
        }
        Some(call) => Read::Call(Box::new(
            Call::compile(findings, &at("read"), call, common, false)?.reading(),
        )),
        None => {
            findings.add(
                &base,
                &format!("`{name}` does not say how it is read"),
                "add `read = \"GET /…/{id}\"`, `read = { find = true }`, or `read = \"none\"`",
            );
            Read::Nothing
        }
    };
    if create.is_none() && !file.gate && file.create.is_none() {
        findings.add(
            &base,
            &format!("`{name}` does not say how it is created"),
            "add `create = \"POST /…\"`, or `gate = true`",
        );
    }
    if file.gate && (file.wait.is_none() || file.create.is_some()) {
        findings.add(
            &at("gate"),
            "a gate has a `wait` and no `create`",
            "it is only looked at until its state is good",
        );
    }
    let key = match &file.key {
        Some(text) => findings.text(&at("key"), text),
        None => None,
    };
    let marker = match &file.marker {
        Some(file) => marker(findings, &at("marker"), file, common),
        None => None,
    };
    let wait = match &file.wait {
        Some(file) => wait(findings, &at("wait"), file, common),
        None => None,
    };
    let mut out = BTreeMap::new();
    for (name, file) in &file.out {
        let pointer = format!("{base}/out{}", crate::workspace::toml::pointer([name.as_str()]));
        let call = match &file.call {
            Some(text) => Call::line(findings, &format!("{pointer}/call"), text, common),
            None => None,
        };
        let pattern = match file.pattern.as_deref().map(regex::Regex::new) {
            Some(Ok(pattern)) => Some(pattern),
            Some(Err(error)) => {
                findings.add(
                    &format!("{pointer}/match"),
                    &format!("not a regular expression: {error}"),
                    "test it with a value of the platform",
                );
                None
            }
            None => None,
        };
        out.insert(
            name.clone(),
            Out {
                at: file.at.clone(),
                call,
                of: file.of,
                pattern,
                secret: file.secret,
                once: file.once,
            },
        );
    }
    let (id, id_search) = match &file.id {
        IdFile::Path(path) => (path.clone(), None),
        IdFile::Search(search) => {
            let mut conditions = Vec::new();
            for (path, text) in &search.conditions {
                conditions.push((path.clone(), findings.text(&at("id"), text)?));
            }
            let search_in = IdSearch {
                items: search.items.clone(),
                conditions,
            };
            (search.take.clone(), Some(search_in))
        }
    };
    let renew = match &file.renew {
        Some(renew) => {
            if !file.out.contains_key(&renew.out) {
                findings.add(
                    &at("renew"),
                    &format!("there is no output `{}`", renew.out),
                    "name the output that says when it expires",
                );
            }
            Some(Renew {
                out: renew.out.clone(),
                before: findings.duration(&format!("{base}/renew/before"), &renew.before),
            })
        }
        None => None,
    };
    let suspend = match &file.suspend {
        Some(file) => Suspend::compile(findings, &at("suspend"), file, common),
        None => Suspend::default(),
    };
    let lag = match &file.lag {
        Some(text) => findings.duration(&at("lag"), text),
        None => Duration::ZERO,
    };
    let has_key = create.as_ref().is_some_and(|create| create.idempotency.is_some());
    let is_found = find.as_ref().is_some_and(|find| !find.hint) || list.is_some() || key.is_some();
    let lost = file.lost.unwrap_or(match (has_key, is_found || file.one) {
        (true, _) => Lost::Key,
        (false, true) => Lost::Find,
        (false, false) => Lost::Stop,
    });
    // An id of our own follows from these fields: with another value it is another object.
    let mut fixed = file.fixed.clone();
    for hole in key.iter().flat_map(Text::holes).filter(|hole| hole.root == Root::Spec) {
        let field = hole.path.split('.').next().unwrap_or_default();
        if !fixed.iter().any(|fixed| fixed == field) {
            fixed.push(field.to_owned());
        }
    }
    let unread = match &read {
        // What is never read is never compared with what is there.
        Read::Nothing => vec!["*".to_owned()],
        _ => file.unread.clone(),
    };
    let kind = KindDefinition {
        name: name.to_owned(),
        about: file.about.clone(),
        inputs: file.inputs.clone(),
        create,
        read,
        update,
        delete,
        find,
        clash,
        list,
        id,
        slashes: file.slashes,
        id_search,
        key,
        title: file.title.clone().unwrap_or_else(|| "name".to_owned()),
        gone: file.gone.clone(),
        marker,
        wait,
        out,
        fixed,
        unread,
        secret: file.secret.clone(),
        sets: file.sets.clone(),
        lists: file.lists.clone(),
        alias: file.alias.clone(),
        same: file.same.clone(),
        one: file.one,
        gate: file.gate,
        costs: file.costs,
        keep: file.keep.clone(),
        lost,
        proof: file.proof.clone(),
        lag,
        renew,
        suspend,
        evaluates: file.evaluates.clone(),
    };
    scope::check(findings, &base, &kind);
    suspend::check(findings, &at("suspend"), &kind);
    (findings.problems.len() == before).then_some(kind)
}

fn marker(findings: &mut Findings<'_>, pointer: &str, file: &MarkerFile, common: Common<'_>) -> Option<Marker> {
    let forms = [&file.field, &file.line, &file.tag, &file.call];
    let said = forms.iter().filter(|form| form.is_some()).count() + usize::from(file.value.is_some());
    let marker = match (said, &file.at) {
        (1, None) if file.field.is_some() => file.field.clone().map(|field| Marker::Field {
            field,
            attempt: file.attempt.clone(),
        }),
        (1, None) if file.line.is_some() => file.line.clone().map(|field| Marker::Line { field }),
        (1, None) if file.tag.is_some() => file.tag.clone().map(|field| Marker::Tag {
            field,
            longest: file.longest,
        }),
        (1, Some(at)) if file.value.is_some() => {
            file.value.clone().map(|value| Marker::Placed { value, at: at.clone() })
        }
        (1, Some(at)) => {
            let text = file.call.as_ref()?;
            let mut call = Call::line(findings, &format!("{pointer}/call"), text, common)?;
            call.body.clone_from(&file.body);
            Some(Marker::Call {
                call: Box::new(call),
                at: at.clone(),
            })
        }
        _ => None,
    };
    if marker.is_none() {
        findings.add(
            pointer,
            "`marker` must say one place",
            "one of `{ field }`, `{ line }`, `{ tag }`, `{ value, at }`, `{ call, body, at }`",
        );
    }
    marker
}

fn wait(findings: &mut Findings<'_>, pointer: &str, file: &WaitFile, common: Common<'_>) -> Option<Wait> {
    if file.ok.is_empty() == file.pending.is_empty() {
        findings.add(
            pointer,
            "`wait` must say either which states are `ok` or which are `pending`",
            "add `ok = [\"…\"]`",
        );
        return None;
    }
    let call = match &file.call {
        Some(text) => Some(Call::line(findings, &format!("{pointer}/call"), text, common)?),
        None => None,
    };
    if file.each.is_some() && call.is_none() {
        findings.add(
            pointer,
            "`wait.each` needs the `call` that reads one element",
            "add `call = \"GET /…/{item.id}\"`",
        );
        return None;
    }
    Some(Wait {
        at: file.at.clone(),
        ok: file.ok.clone(),
        fail: file.fail.clone(),
        pending: file.pending.clone(),
        every: findings.duration(&format!("{pointer}/every"), &file.every),
        max: findings.duration(&format!("{pointer}/max"), &file.max),
        call,
        each: file.each.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        assert_eq!(duration("5"), None);
        assert_eq!(duration("s"), None);
        assert_eq!(per_second("100/10s"), Some(10.0));
        assert_eq!(per_second("60/min"), Some(1.0));
        assert_eq!(per_second("0/s"), None);
    }
}
