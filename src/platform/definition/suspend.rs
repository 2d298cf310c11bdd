//! What a definition says about suspending a kind: read, checked, and compiled into the calls that stop and start it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{Call, Common};
use super::check::Findings;
use super::file::CallFile;
use super::kind::{KindDefinition, Marker};
use crate::platform::suspension::{How, Suspension};

/// What happens to an object while its tenant is suspended: it `keeps` running, fields are written otherwise (`set`,
/// `clear`), it is removed (`remove`), or it is stopped by a call of its own (`call`, `resume`, `at`, `is`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspendFile {
    /// Why it keeps running.
    pub keeps: Option<String>,
    /// Top-level fields with the values they have meanwhile.
    #[serde(default)]
    pub set: Map<String, Value>,
    /// Top-level fields that have no value meanwhile.
    #[serde(default)]
    pub clear: Vec<String>,
    /// It is deleted, and created again.
    #[serde(default)]
    pub remove: bool,
    /// The call that stops it.
    pub call: Option<CallFile>,
    /// With `call`: the call that starts it again.
    pub resume: Option<CallFile>,
    /// With `call`: dotted path of the field that says whether it is stopped.
    pub at: Option<String>,
    /// With `call`: what that field is then.
    pub is: Option<Value>,
    /// What follows for people outside, where that is not plain.
    pub note: Option<String>,
}

/// What suspending means for a kind, with its calls.
#[derive(Debug, Clone, Default)]
pub struct Suspend {
    pub means: Suspension,
    /// Where it is stopped by calls.
    pub calls: Option<Box<Calls>>,
}

/// The calls that stop and start an object.
#[derive(Debug, Clone)]
pub struct Calls {
    pub suspend: Call,
    pub resume: Call,
    /// Dotted path of the field that says whether it is stopped.
    pub at: String,
    /// What that field is then.
    pub is: Value,
}

impl Suspend {
    /// Compiles what a file says; what keeps running by default where it says nothing, or after a finding.
    pub(super) fn compile(findings: &mut Findings<'_>, pointer: &str, file: &SuspendFile, common: Common<'_>) -> Self {
        let writes = !file.set.is_empty() || !file.clear.is_empty();
        let calls = [
            file.call.is_some(),
            file.resume.is_some(),
            file.at.is_some(),
            file.is.is_some(),
        ];
        let by_call = calls.contains(&true);
        let said = [file.keeps.is_some(), writes, file.remove, by_call];
        if said.into_iter().filter(|said| *said).count() != 1 || by_call && calls.contains(&false) {
            findings.add(
                pointer,
                "`suspend` must say one thing that happens to it",
                "one of `{ keeps = \"why\" }`, `{ set = { … }, clear = [ … ] }`, `{ remove = true }`, `{ call, resume, at, is }`",
            );
            return Self::default();
        }
        let call = |findings: &mut Findings<'_>, key: &str, file: &Option<CallFile>| {
            let file = file.as_ref()?;
            Call::compile(findings, &format!("{pointer}/{key}"), file, common, false)
        };
        let calls = match (
            call(findings, "call", &file.call),
            call(findings, "resume", &file.resume),
        ) {
            (Some(suspend), Some(resume)) => Some(Box::new(Calls {
                suspend,
                resume,
                at: file.at.clone().unwrap_or_default(),
                is: file.is.clone().unwrap_or_default(),
            })),
            _ => None,
        };
        let how = match &file.keeps {
            Some(why) => How::Keeps(Some(why.clone())),
            None if file.remove => How::Removes,
            None if writes => How::Writes {
                set: file.set.clone(),
                clear: file.clear.clone(),
            },
            None => How::Stops,
        };
        Self {
            means: Suspension {
                how,
                note: file.note.clone(),
            },
            calls,
        }
    }

    /// The fields that have no value while it is suspended.
    pub fn cleared(&self) -> &[String] {
        match &self.means.how {
            How::Writes { clear, .. } => clear,
            How::Keeps(_) | How::Stops | How::Removes => &[],
        }
    }
}

/// What cannot be done to an object of this kind.
pub(super) fn check(findings: &mut Findings<'_>, pointer: &str, kind: &KindDefinition) {
    match &kind.suspend.means.how {
        How::Keeps(_) => {}
        _ if kind.gate => findings.add(
            pointer,
            "nothing is there of a gate that could be suspended",
            "remove `suspend`",
        ),
        How::Stops => {}
        How::Removes => {
            let why = match kind {
                KindDefinition { delete: None, .. } => "it cannot be deleted",
                KindDefinition { keep: Some(_), .. } => "its end must be confirmed (`keep`)",
                KindDefinition { costs: true, .. } => "it costs money, and would be paid for again",
                _ => return,
            };
            let message = format!("it cannot be removed while its tenant is suspended: {why}");
            findings.add(pointer, &message, "say `set`, `clear` or `keeps`");
        }
        How::Writes { set, clear } => {
            for field in set.keys().chain(clear) {
                if let Some(why) = not_written(kind, field) {
                    let message = format!("`{field}` cannot be another while its tenant is suspended: {why}");
                    findings.add(pointer, &message, "name top-level fields that an update writes");
                }
            }
            if let Some(field) = set.keys().find(|field| clear.contains(field)) {
                findings.add(
                    pointer,
                    &format!("`{field}` is both set and cleared"),
                    "remove one of them",
                );
            }
        }
    }
}

/// Why no update writes a field, or should not.
fn not_written(kind: &KindDefinition, field: &str) -> Option<&'static str> {
    let marks = match &kind.marker {
        Some(Marker::Field { field, .. } | Marker::Line { field } | Marker::Tag { field, .. }) => {
            field.split('.').next()
        }
        Some(Marker::Placed { .. } | Marker::Call { .. }) | None => None,
    };
    let is = |name: &String| name == field || name == "*";
    let update = kind.update.as_ref();
    match update {
        None => Some("nothing of it can be changed"),
        Some(_) if field.contains('.') => Some("it lies within another field"),
        Some(_) if kind.inputs.iter().any(is) => Some("it places the object"),
        Some(_) if kind.fixed.iter().any(is) => Some("it is `fixed`"),
        Some(update) if update.drop.iter().any(is) => Some("the update does not send it"),
        Some(_) if marks == Some(field) => Some("the mark stands in it"),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::platform::definition::Definition;

    const HEAD: &str = "platform = \"p\"\nauth = { bearer = \"{cred.key}\" }\n\n[resource.thing]\n";
    const THING: &str = "list = { call = \"GET /things\", items = \"\" }\ncreate = \"POST /things\"\nread = \"GET /things/{id}\"\n\
                         update = { call = \"PATCH /things/{id}\", drop = [\"sort\"] }\ndelete = \"DELETE /things/{id}\"\n\
                         marker = { field = \"mark\" }\ninputs = [\"place\"]\nfixed = [\"form\"]\n";

    fn parsed(thing: &str, suspend: &str) -> Result<Suspend, String> {
        let text: Arc<str> = Arc::from(format!("{HEAD}{thing}{suspend}\n"));
        match Definition::parse("p.toml", &text) {
            Ok(definition) => Ok(definition.kinds["thing"].suspend.clone()),
            Err(problems) => Err(problems
                .into_iter()
                .map(|problem| problem.message.to_string())
                .collect::<Vec<_>>()
                .join("; ")),
        }
    }

    #[test]
    fn one_thing_happens_to_it_or_nothing_is_said() {
        for (suspend, how) in [
            ("", How::Keeps(None)),
            ("suspend = { keeps = \"why\" }", How::Keeps(Some("why".to_owned()))),
            ("suspend = { remove = true }", How::Removes),
            (
                "suspend = { call = \"POST /things/{id}/stop\", resume = \"POST /things/{id}/go\", at = \"on\", is = false }",
                How::Stops,
            ),
        ] {
            let said = parsed(THING, suspend).unwrap();
            assert_eq!(said.means.how, how, "{suspend}");
            assert_eq!(said.calls.is_some(), how == How::Stops, "{suspend}");
        }
        let said = parsed(THING, "suspend = { set = { a = 1 }, clear = [\"b\"] }").unwrap();
        assert_eq!(said.cleared(), ["b"]);
    }

    #[test]
    fn what_contradicts_itself_or_could_not_be_done_is_refused() {
        let keep = format!("{THING}keep = \"people miss it\"\n");
        let stays = THING.replace("\"DELETE /things/{id}\"", "\"none\"");
        let whole = THING.replace("update = { call = \"PATCH /things/{id}\", drop = [\"sort\"] }\n", "");
        for (thing, suspend, message) in [
            (THING, "suspend = {}", "one thing"),
            (THING, "suspend = { note = \"x\" }", "one thing"),
            (THING, "suspend = { keeps = \"x\", remove = true }", "one thing"),
            (THING, "suspend = { call = \"POST /things/{id}/stop\" }", "one thing"),
            (
                THING,
                "suspend = { call = \"POST /things/{id}/stop\", resume = \"POST /go\", at = \"on\", is = false }",
                "does not say which object",
            ),
            (
                THING,
                "suspend = { call = \"POST /things/{id}/{spec.a}\", resume = \"POST /things/{id}/go\", at = \"on\", is = false }",
                "`{spec.a}` has no value here",
            ),
            (&keep, "suspend = { remove = true }", "must be confirmed"),
            (&stays, "suspend = { remove = true }", "cannot be deleted"),
            (&whole, "suspend = { set = { a = 1 } }", "nothing of it can be changed"),
            (THING, "suspend = { clear = [\"place\"] }", "it places the object"),
            (THING, "suspend = { clear = [\"form\"] }", "it is `fixed`"),
            (THING, "suspend = { clear = [\"sort\"] }", "the update does not send it"),
            (THING, "suspend = { clear = [\"mark\"] }", "the mark stands in it"),
            (THING, "suspend = { clear = [\"a.b\"] }", "within another field"),
            (
                THING,
                "suspend = { set = { a = 1 }, clear = [\"a\"] }",
                "both set and cleared",
            ),
        ] {
            let refused = parsed(thing, suspend).unwrap_err();
            assert!(refused.contains(message), "{suspend}: {refused}");
        }
    }
}
