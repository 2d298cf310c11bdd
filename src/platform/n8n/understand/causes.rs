//! Findings about nodes: one for each cause, with every node that has it.

use crate::problem::{Place, Problem, listed};

/// What is wrong, or worth a warning, in some nodes.
#[derive(Debug)]
struct Cause {
    why: String,
    hint: String,
    /// Where the first of them stands.
    place: Place,
    nodes: Vec<String>,
}

/// The causes of one file, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Causes(Vec<Cause>);

impl Causes {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a node. Where it stands is looked up for the first one only: that takes a look at the whole file.
    pub fn add(&mut self, node: &str, why: String, hint: String, place: impl FnOnce() -> Place) {
        let known = self.0.iter_mut().find(|cause| cause.why == why && cause.hint == hint);
        match known {
            Some(cause) if cause.nodes.iter().any(|known| known == node) => {}
            Some(cause) => cause.nodes.push(node.to_owned()),
            None => self.0.push(Cause {
                why,
                hint,
                place: place(),
                nodes: vec![node.to_owned()],
            }),
        }
    }

    /// Each as a finding that `problem` makes of its message.
    pub fn told(self, problem: impl Fn(String) -> Problem) -> Vec<Problem> {
        let causes = self.0.into_iter();
        let told = causes.map(|cause| {
            let names: Vec<String> = cause.nodes.iter().map(|name| format!("\"{name}\"")).collect();
            let whose = match names.as_slice() {
                [one] => format!("node {one}"),
                several => format!("nodes {}", listed(several.iter().map(String::as_str))),
            };
            problem(format!("{whose}: {}", cause.why))
                .at(cause.place)
                .hint(cause.hint)
        });
        told.collect()
    }
}

/// A text for a message.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
