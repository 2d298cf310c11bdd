//! Which placeholders have a value where.

use super::call::{Call, Read};
use super::check::Findings;
use super::kind::{KindDefinition, Marker};
use super::placeholder::{Hole, Root};

/// Every placeholder of a kind's calls must have a value where it stands.
pub(super) fn check(findings: &mut Findings<'_>, base: &str, kind: &KindDefinition) {
    let at = |key: &str| format!("{base}/{key}");
    let knows_id = |hole: &Hole| match &hole.root {
        Root::Id => kind.key.is_some(),
        _ => true,
    };
    if let Some(create) = &kind.create {
        call_of(findings, kind, &at("create"), create, |hole| match hole.root {
            Root::Live | Root::Item | Root::Out => false,
            Root::Marker => matches!(kind.marker, Some(Marker::Placed { .. })),
            _ => knows_id(hole),
        });
    }
    for (key, list) in [("find", &kind.find), ("clash", &kind.clash), ("list", &kind.list)] {
        let Some(list) = list else { continue };
        let admits = |hole: &Hole| match hole.root {
            Root::Spec | Root::Fields | Root::Owner | Root::Attempt => key != "list",
            Root::Live | Root::Item | Root::Marker | Root::Out => false,
            _ => knows_id(hole),
        };
        call_of(findings, kind, &at(key), &list.call, admits);
        for hole in list.conditions.iter().flat_map(|(_, text)| text.holes()) {
            one(findings, kind, &format!("{}/where", at(key)), hole, &admits);
        }
    }
    let later = |hole: &Hole| !matches!(hole.root, Root::Item | Root::Marker);
    if let Read::Call(call) = &kind.read {
        // What is recorded must be readable without the document.
        call_of(findings, kind, &at("read"), call, |hole| {
            matches!(hole.root, Root::Id | Root::Input(_) | Root::Out)
        });
        says_which(findings, kind, &at("read"), call);
    }
    for (key, call) in [("update", &kind.update), ("delete", &kind.delete)] {
        let Some(call) = call else { continue };
        let is_create = kind
            .create
            .as_ref()
            .is_some_and(|create| create.pointer == call.pointer);
        call_of(findings, kind, &at(key), call, |hole| {
            later(hole) && (key != "delete" || !matches!(hole.root, Root::Spec | Root::Fields))
        });
        if !is_create {
            says_which(findings, kind, &at(key), call);
        }
    }
    if let Some(Marker::Call { call, .. }) = &kind.marker {
        call_of(findings, kind, &at("marker"), call, later);
    }
    if let Some(calls) = &kind.suspend.calls {
        for (key, call) in [("call", &calls.suspend), ("resume", &calls.resume)] {
            let pointer = at(&format!("suspend/{key}"));
            call_of(findings, kind, &pointer, call, |hole| {
                later(hole) && !matches!(hole.root, Root::Spec | Root::Fields)
            });
            says_which(findings, kind, &pointer, call);
        }
    }
    if let Some(call) = kind.wait.as_ref().and_then(|wait| wait.call.as_ref()) {
        call_of(findings, kind, &at("wait"), call, |hole| {
            !matches!(hole.root, Root::Marker)
        });
    }
    for (name, out) in &kind.out {
        if let Some(call) = &out.call {
            call_of(findings, kind, &format!("{base}/out/{name}"), call, later);
        }
    }
    for path in &kind.inputs {
        if kind.unread.contains(path) {
            findings.add(
                &at("inputs"),
                &format!("the input `{path}` cannot be unread: it places the object"),
                "remove it from `unread`",
            );
        }
    }
}

fn call_of(
    findings: &mut Findings<'_>,
    kind: &KindDefinition,
    pointer: &str,
    call: &Call,
    admits: impl Fn(&Hole) -> bool,
) {
    for hole in call.holes() {
        one(findings, kind, pointer, &hole, &admits);
    }
}

fn one(
    findings: &mut Findings<'_>,
    kind: &KindDefinition,
    pointer: &str,
    hole: &Hole,
    admits: &impl Fn(&Hole) -> bool,
) {
    let name = hole.name();
    let what = match &hole.root {
        Root::Input(input) if !kind.inputs.contains(input) => {
            let known: Vec<&str> = ["spec", "id", "owner", "attempt"]
                .into_iter()
                .chain(kind.inputs.iter().map(String::as_str))
                .collect();
            let hint = match crate::problem::did_you_mean(input, known.iter().copied()) {
                Some(word) => format!("did you mean `{{{word}}}`?"),
                None => format!(
                    "a value of the document is `{{spec.{input}}}`; a parent's id is declared: `inputs = [\"{input}\"]`"
                ),
            };
            findings.add(pointer, &format!("`{{{name}}}` is not known here"), &hint);
            return;
        }
        Root::Out if !kind.out.contains_key(&hole.path) => format!("there is no output `{}`", hole.path),
        Root::Cred => "a credential is only for `auth` and `http.headers`".to_owned(),
        Root::Spec if hole.path.is_empty() || !kind.inputs.contains(&hole.path) => {
            if admits(hole) {
                return;
            }
            format!("`{{{name}}}` has no value here")
        }
        Root::Spec => format!("`{}` is an input: write `{{{}}}`", hole.path, hole.path),
        _ if admits(hole) => return,
        _ => format!("`{{{name}}}` has no value here"),
    };
    findings.add(
        pointer,
        &what,
        "see which placeholders a call knows: `upa schema platform`",
    );
}

/// A call about one object must say which.
fn says_which(findings: &mut Findings<'_>, kind: &KindDefinition, pointer: &str, call: &Call) {
    if kind.one || kind.gate {
        return;
    }
    let says = |hole: &Hole| matches!(hole.root, Root::Id | Root::Live | Root::Out);
    if !call.holes().iter().any(says) {
        findings.add(
            pointer,
            &format!(
                "this call of `{}` does not say which object: it has no `{{id}}`",
                kind.name
            ),
            "write `{id}` where the id goes, as in `GET /things/{id}`",
        );
    }
}
