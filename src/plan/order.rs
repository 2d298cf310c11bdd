//! Which step must wait for which.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Action, Change, Door};
use crate::platform::Step;
use crate::resource::Address;

/// A step of a change: the index of the change, and the step.
pub type Node = (usize, Step);

/// The steps of some changes in an order that can be carried out, each with the steps it waits for.
pub struct Order {
    pub steps: Vec<Node>,
    pub waits_for: BTreeMap<Node, BTreeSet<Node>>,
}

/// Orders the steps of one tenant's changes; the error names a circle.
pub fn order(changes: &[Change]) -> Result<Order, Vec<String>> {
    let waits_for = edges(changes);
    let preferred = preferred(changes);
    let mut left: BTreeSet<Node> = waits_for.keys().copied().collect();
    let mut steps = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_ready = |node: &&Node| waits_for.get(*node).is_none_or(|waits| waits.is_disjoint(&left));
        // What others refer to is created first where that is possible: then those need no second write.
        let missing = |node: &Node| {
            preferred
                .get(node)
                .map_or(0, |wanted| wanted.intersection(&left).count())
        };
        // Ways in follow each other from the outside to the inside, or back, whatever the step.
        let outer = |node: &Node| match turn(changes, node) {
            NO_DOOR => 0,
            _ => missing(node),
        };
        let next = left
            .iter()
            .filter(is_ready)
            .min_by_key(|node| (turn(changes, node), outer(node), node.1, missing(node), node.0))
            .copied();
        let Some(next) = next else {
            return Err(circle(changes, &waits_for, &left));
        };
        left.remove(&next);
        steps.push(next);
    }
    Ok(Order { steps, waits_for })
}

fn edges(changes: &[Change]) -> BTreeMap<Node, BTreeSet<Node>> {
    let by_address: BTreeMap<&Address, usize> = changes
        .iter()
        .enumerate()
        .map(|(index, change)| (&change.address, index))
        .collect();
    let has = |index: usize, step: Step| changes.get(index).is_some_and(|change| change.steps.contains(&step));
    let mut waits: BTreeMap<Node, BTreeSet<Node>> = BTreeMap::new();
    for (index, change) in changes.iter().enumerate() {
        for step in &change.steps {
            waits.entry((index, *step)).or_default();
        }
        // The steps of one change follow each other.
        for pair in change.steps.windows(2) {
            if let [before, after] = pair {
                waits.entry((index, *after)).or_default().insert((index, *before));
            }
        }
        // An id is there once its object is created. A draft may be created without it and filled later.
        let whole = !change.work.drafts && change.steps.contains(&Step::Create);
        let needing = if whole { Step::Create } else { Step::Fill };
        for needed in change.work.needs.iter().filter_map(|address| by_address.get(address)) {
            if has(*needed, Step::Create) && has(index, needing) {
                let ready = ready(changes, *needed);
                waits.entry((index, needing)).or_default().insert((*needed, ready));
            }
            // On the way down what refers to another, or lives below it, goes first.
            if has(*needed, Step::Delete) && has(index, Step::Delete) {
                waits
                    .entry((*needed, Step::Delete))
                    .or_default()
                    .insert((index, Step::Delete));
            }
        }
        for callee in change
            .work
            .calls
            .iter()
            .filter_map(|address| by_address.get(address))
            .filter(|callee| **callee != index)
        {
            if has(index, Step::Publish) && has(*callee, Step::Publish) {
                waits
                    .entry((index, Step::Publish))
                    .or_default()
                    .insert((*callee, Step::Publish));
            }
            // On the way down callers go first.
            for step in [Step::Unpublish, Step::Delete] {
                if has(index, step) && has(*callee, step) {
                    waits.entry((*callee, step)).or_default().insert((index, step));
                }
            }
        }
    }
    waits_for_what_it_leads_to(changes, &mut waits);
    // What goes, goes last: nothing that stays may still refer to it. But a way in is closed first, and nothing does.
    let staying: Vec<Node> = waits
        .keys()
        .filter(|(index, _)| changes.get(*index).is_some_and(|c| c.action != Action::Delete))
        .copied()
        .collect();
    for (index, change) in changes
        .iter()
        .enumerate()
        .filter(|(_, change)| change.action == Action::Delete && change.work.door == Door::Neither)
    {
        if let Some(first) = change.steps.first() {
            waits
                .entry((index, *first))
                .or_default()
                .extend(staying.iter().copied());
        }
    }
    waits
}

/// The step after which others can use what a change creates: a draft has its id at once, everything else is used when
/// the platform is done with it.
fn ready(changes: &[Change], index: usize) -> Step {
    let change = changes.get(index).filter(|change| !change.work.drafts);
    let steps = change.map(|change| change.steps.as_slice()).unwrap_or_default();
    let last = steps
        .iter()
        .filter(|step| matches!(step, Step::Create | Step::Fill | Step::Wait))
        .max();
    last.copied().unwrap_or(Step::Create)
}

/// A way in is opened once the workflows run that stand behind it.
fn waits_for_what_it_leads_to(changes: &[Change], waits: &mut BTreeMap<Node, BTreeSet<Node>>) {
    let published: BTreeSet<Node> = waits
        .keys()
        .filter(|(index, step)| *step == Step::Publish && changes.get(*index).is_some_and(|change| change.work.drafts))
        .copied()
        .collect();
    let opened = changes.iter().enumerate();
    for (index, change) in opened.filter(|(_, change)| change.work.door == Door::Opens) {
        if let Some(step) = opening(change) {
            waits
                .entry((index, step))
                .or_default()
                .extend(published.iter().copied());
        }
    }
}

/// The step of a change that opens a way in.
fn opening(change: &Change) -> Option<Step> {
    let publishes = change.steps.contains(&Step::Publish).then_some(Step::Publish);
    publishes.or_else(|| change.steps.first().copied())
}

/// Ways in are closed before anything else, where nothing speaks against it, and opened after it: a wish, so that one that
/// fails leaves the others as they shall be.
fn turn(changes: &[Change], node: &Node) -> u8 {
    match changes.get(node.0).map(|change| &change.work.door) {
        Some(Door::Closes(_)) => NO_DOOR - 1,
        Some(Door::Neither) | None => NO_DOOR,
        Some(Door::Opens) => NO_DOOR + 1,
    }
}

/// The turn of what is no way in.
const NO_DOOR: u8 = 1;

/// Creating a draft after what it refers to saves filling it; it is a wish, not a condition.
fn preferred(changes: &[Change]) -> BTreeMap<Node, BTreeSet<Node>> {
    let by_address: BTreeMap<&Address, usize> = changes
        .iter()
        .enumerate()
        .map(|(index, change)| (&change.address, index))
        .collect();
    let creates = changes
        .iter()
        .enumerate()
        .filter(|(_, change)| change.steps.contains(&Step::Create));
    let mut preferred: BTreeMap<Node, BTreeSet<Node>> = creates
        .map(|(index, change)| {
            let wanted = change.work.needs.iter().filter_map(|address| by_address.get(address));
            (
                (index, Step::Create),
                wanted.map(|wanted| (*wanted, Step::Create)).collect(),
            )
        })
        .collect();
    // Of two ways in the outer one is closed first and opened last.
    let steps = |index: usize| {
        let steps = changes.get(index).map(|change| change.steps.as_slice());
        steps.unwrap_or_default().iter().map(move |step| (index, *step))
    };
    for (index, change) in changes.iter().enumerate() {
        let led_to = match &change.work.door {
            Door::Neither => continue,
            Door::Closes(led_to) => led_to,
            Door::Opens => &change.work.needs,
        };
        for inner in led_to.iter().filter_map(|address| by_address.get(address)) {
            let (first, second) = match change.work.door {
                Door::Opens => (*inner, index),
                _ => (index, *inner),
            };
            for step in steps(second) {
                preferred.entry(step).or_default().extend(steps(first));
            }
        }
    }
    preferred
}

fn circle(changes: &[Change], waits_for: &BTreeMap<Node, BTreeSet<Node>>, left: &BTreeSet<Node>) -> Vec<String> {
    let name = |node: &Node| {
        let address = changes
            .get(node.0)
            .map(|change| change.address.to_string())
            .unwrap_or_default();
        format!("{address} {}", node.1.as_str())
    };
    let names: BTreeMap<Node, String> = left.iter().map(|node| (*node, name(node))).collect();
    let edges = left.iter().map(|node| {
        let waits = waits_for
            .get(node)
            .into_iter()
            .flatten()
            .filter_map(|waited| names.get(waited).map(String::as_str));
        (names.get(node).map(String::as_str).unwrap_or_default(), waits)
    });
    cycle(edges)
        .map(|cycle| cycle.into_iter().map(str::to_owned).collect())
        .unwrap_or_default()
}

/// A circle in a graph, first and last alike; `None` if there is none. The graph may be any size: no recursion.
pub fn cycle<'a, I>(edges: impl IntoIterator<Item = (&'a str, I)>) -> Option<Vec<&'a str>>
where
    I: IntoIterator<Item = &'a str>,
{
    let graph: BTreeMap<&str, Vec<&str>> = edges
        .into_iter()
        .map(|(from, to)| (from, to.into_iter().collect()))
        .collect();
    let mut finished: BTreeSet<&str> = BTreeSet::new();
    for start in graph.keys().copied() {
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((node, next)) = path.last().copied() {
            let target = if finished.contains(node) {
                None
            } else {
                graph.get(node).and_then(|targets| targets.get(next)).copied()
            };
            let Some(target) = target else {
                finished.insert(node);
                path.pop();
                continue;
            };
            if let Some(last) = path.last_mut() {
                last.1 += 1;
            }
            if let Some(at) = path.iter().position(|(node, _)| *node == target) {
                let mut cycle: Vec<&str> = path
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .map(|(node, _)| *node)
                    .collect();
                cycle.push(target);
                return Some(cycle);
            }
            path.push((target, 0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn circles_are_found_and_named() {
        let graph = |edges: &[(&'static str, &[&'static str])]| {
            cycle(edges.iter().map(|(from, to)| (*from, to.iter().copied())))
        };
        assert_eq!(graph(&[("a", &["b"]), ("b", &["c"]), ("c", &[])]), None);
        assert_eq!(
            graph(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["b"])]),
            Some(vec!["b", "c", "b"])
        );
        assert_eq!(graph(&[("a", &["a"])]), Some(vec!["a", "a"]));
    }

    proptest! {
        #[test]
        fn a_graph_that_only_points_forward_has_no_circle(edges in prop::collection::vec((0usize..20, 0usize..20), 0..60)) {
            let names: Vec<String> = (0..20).map(|index| format!("n{index}")).collect();
            let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for (a, b) in edges.into_iter().filter(|(a, b)| a != b) {
                graph.entry(&names[a.min(b)]).or_default().push(&names[a.max(b)]);
            }
            prop_assert_eq!(cycle(graph), None);
        }
    }
}
