//! A plan for people: what will change, why, who moved it, and where it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::{BOLD, CYAN, DIM, GREEN, RED, YELLOW, counted, diff, styled, tenants_and};
use crate::desired::DesiredState;
use crate::gates::Awaited;
use crate::plan::{Action, Change, Kept, Mover, Plan, Reason, Still};
use crate::platform::Step;
use crate::platform::suspension::Effect;
use crate::resource::{Address, SHARED};
use crate::workspace::drift::Verdict;
use crate::workspace::secret_rules::described;

/// Writes the changes by tenant, then the summary.
pub fn write(out: &mut dyn Write, plan: &Plan, desired: &DesiredState) -> io::Result<()> {
    let mut by_tenant: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for change in plan.changes.iter().chain(&plan.withheld) {
        by_tenant.entry(change.address.tenant()).or_default().push(change);
    }
    for still in plan.standstills.iter().filter(|still| still.suspends) {
        by_tenant.entry(still.address.tenant()).or_default();
    }
    let mut shown: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for changes in by_tenant.values_mut() {
        changes.sort_by(|a, b| a.address.cmp(&b.address));
    }
    let all = plan.changes.iter().chain(&plan.withheld);
    let changed = all.map(|change| (&change.address, &change.kind));
    let still = plan.standstills.iter().map(|still| (&still.address, &still.kind));
    let named: Vec<(usize, usize)> = changed
        .chain(still)
        .map(|(address, kind)| (address.to_string().chars().count(), kind.as_str().len()))
        .collect();
    let width = named.iter().map(|(width, _)| *width).max().unwrap_or_default();
    let kinds = named.iter().map(|(_, kinds)| *kinds).max().unwrap_or_default().max(15);
    for (tenant, changes) in &by_tenant {
        let about = desired
            .tenants
            .get(*tenant)
            .map(|tenant| match tenant.is_shared() {
                true => "shared by tenants".to_owned(),
                false => format!(
                    "{} {} revision {} · {}",
                    tenant.product, tenant.version, tenant.revision, tenant.status
                ),
            })
            .unwrap_or_default();
        let waits = plan.withheld.iter().any(|change| change.address.tenant() == *tenant);
        let waits = if waits { " · awaits confirmation" } else { "" };
        writeln!(
            out,
            "{}  {}{}",
            styled(BOLD, tenant),
            styled(DIM, about),
            styled(YELLOW, waits)
        )?;
        for change in changes {
            write_change(out, change, &plan.standstills, (width, kinds), &mut shown)?;
        }
        for still in unchanged(plan, tenant) {
            write_still(out, still, (width, kinds))?;
        }
        let secrets = desired.tenants.get(*tenant).map(|tenant| &tenant.secrets);
        for (name, secret) in secrets.into_iter().flatten() {
            let line = format!("  secret {name}: {}", described(&secret.source));
            writeln!(out, "{}", styled(DIM, line))?;
        }
        writeln!(out)?;
    }
    summary(out, plan)
}

/// The objects of a tenant that is suspended or resumed which nothing is done to.
fn unchanged<'a>(plan: &'a Plan, tenant: &str) -> impl Iterator<Item = &'a Still> {
    let own = plan
        .standstills
        .iter()
        .filter(move |still| still.address.tenant() == tenant);
    let changed: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).collect();
    own.filter(move |still| still.suspends && !changed.contains(&still.address))
}

fn write_still(out: &mut dyn Write, still: &Still, (width, kinds): (usize, usize)) -> io::Result<()> {
    let words = match still.effect {
        Effect::Keeps => still.words.clone(),
        Effect::Stops => "is stopped already".to_owned(),
        Effect::Writes => "is as it is to be already".to_owned(),
        Effect::Removes => "is created when the tenant is active".to_owned(),
    };
    let line = format!(
        "  = {:<7} {:<width$}  {:<kinds$} {words}",
        "stays",
        still.address.to_string(),
        still.kind.to_string()
    );
    writeln!(out, "{}", styled(DIM, line))
}

fn write_change(
    out: &mut dyn Write,
    change: &Change,
    standstills: &[Still],
    (width, kinds): (usize, usize),
    shown: &mut BTreeMap<Vec<u8>, String>,
) -> io::Result<()> {
    let style = match change.action {
        Action::Create => GREEN,
        Action::Adopt | Action::Use | Action::Move | Action::Forget | Action::Wait => CYAN,
        Action::Update => YELLOW,
        Action::Replace | Action::Delete => RED,
    };
    let head = format!("{} {:<7}", change.action.sign(), change.action.verb());
    writeln!(
        out,
        "  {} {:<width$}  {:<kinds$} {}",
        styled(style, head),
        change.address.to_string(),
        change.kind.to_string(),
        styled(DIM, why(change, standstills))
    )?;
    if change.action == Action::Create || change.fields.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    // Where one person moved everything, the line above says who.
    let mut movers = change.fields.iter().filter_map(|field| field.mover);
    let first = movers.next();
    let mixed = movers.any(|mover| Some(mover) != first);
    for field in &change.fields {
        let mover = field.mover.filter(|_| mixed);
        diff::write(&mut text, field, mover.map(Mover::of_field), "      ")?;
    }
    // A fix to a template changes every tenant in the same way, but for its name: it is read once.
    let anonymous = String::from_utf8_lossy(&text)
        .replace(change.address.tenant(), "\u{FDD0}")
        .into_bytes();
    match shown.get(&anonymous) {
        Some(first) => {
            let same = format!("the same {} as {first}", counted(change.fields.len(), "difference"));
            writeln!(out, "      {}", styled(DIM, same))
        }
        None => {
            shown.insert(anonymous, change.address.to_string());
            out.write_all(&text)
        }
    }
}

/// Why, and who moved.
fn why(change: &Change, standstills: &[Still]) -> String {
    let mut why = match (change.reason, change.mover) {
        (Reason::Changed, Some(mover)) => mover.words().to_owned(),
        (reason @ (Reason::Rotated | Reason::Suspended | Reason::Resumed), _) => reason.words().to_owned(),
        (reason, Some(mover)) => format!("{}; {}", reason.words(), mover.words()),
        (reason, None) => reason.words().to_owned(),
    };
    let runs = match change.action {
        Action::Update if !change.work.drafts => "",
        Action::Update if change.steps.contains(&Step::Publish) => ", publishes",
        Action::Update if change.steps.contains(&Step::Unpublish) => ", unpublishes",
        _ => "",
    };
    why.push_str(runs);
    // Of workflows the step says it, and of what is written again its fields.
    let still = standstills.iter().find(|still| still.address == change.address);
    if let Some(still) = still.filter(|still| is_said(still, change)) {
        why.push_str(&format!(", {}", still.words));
    }
    if let Some(from) = &change.moved_from {
        why.push_str(&format!(", was {from}"));
    }
    if change.costs {
        why.push_str(", costs money");
    }
    if change.is_unconfirmed() {
        why.push_str(", to be confirmed");
    }
    if change.left_behind {
        why.push_str(", left behind: the platform cannot delete it");
    }
    if let Some(place) = change
        .place
        .as_ref()
        .filter(|place| place.line > 0 && change.action != Action::Update)
    {
        why.push_str(&format!(" ({}:{})", place.file, place.line));
    }
    why
}

/// Whether a change's line says what happens to its object.
fn is_said(still: &Still, change: &Change) -> bool {
    let switched = matches!(change.reason, Reason::Suspended | Reason::Resumed);
    match still.effect {
        Effect::Keeps => false,
        Effect::Writes => switched && still.suspends,
        Effect::Stops | Effect::Removes => switched && !change.work.drafts,
    }
}

/// What waits for a person.
pub fn awaited(out: &mut dyn Write, awaited: &[Awaited]) -> io::Result<()> {
    awaited
        .iter()
        .try_for_each(|one| writeln!(out, "{}.\n      {}", one.words(), one.hint()))
}

/// What is left as somebody made it on the platform.
fn kept(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    let ignored: Vec<&Kept> = plan
        .kept
        .iter()
        .filter(|kept| kept.verdict == Verdict::Ignore)
        .collect();
    let warned = plan.kept.len() - ignored.len();
    if let Some(until) = ignored.iter().filter_map(|kept| kept.until).min() {
        let count = counted(ignored.len(), "difference");
        writeln!(out, "      {count} on the platform ignored by rule until {until}")?;
    }
    if warned > 0 {
        let count = counted(warned, "difference");
        writeln!(out, "      {count} on the platform left by rule (see the warnings)")?;
    }
    Ok(())
}

/// Deletions first, then the rest, then what it costs and what it touches.
fn summary(out: &mut dyn Write, plan: &Plan) -> io::Result<()> {
    if plan.changes.is_empty() && !plan.withheld.is_empty() {
        writeln!(
            out,
            "{}",
            styled(BOLD, format!("Nothing to do yet: {}.", withheld(plan)))
        )?;
        return kept(out, plan);
    }
    if plan.changes.is_empty() {
        let blocked = plan.blocked();
        let tenants = blocked.iter().filter(|name| **name != SHARED).count();
        let whose = tenants_and(tenants, tenants < blocked.len());
        match (blocked.len(), plan.due.len()) {
            (0, 0) => writeln!(
                out,
                "{}",
                styled(BOLD, format!("Nothing to do: {} as Git says.", are(plan.tenants)))
            ),
            (0, due) => writeln!(
                out,
                "{}",
                styled(
                    BOLD,
                    format!(
                        "Nothing to change; apply has something to record of {}.",
                        counted(due, "tenant")
                    )
                )
            ),
            _ => writeln!(
                out,
                "{}",
                styled(BOLD, format!("No changes; {whose} could not be planned."))
            ),
        }?;
        return kept(out, plan);
    }
    let facts = Facts::of(plan);
    let shared = if facts.shared { " and what tenants share" } else { "" };
    writeln!(
        out,
        "{} in {} of {}{shared}",
        styled(BOLD, format!("Plan: {}", counts(&plan.changes).join(", "))),
        facts.tenants,
        counted(plan.tenants, "tenant")
    )?;
    if !plan.withheld.is_empty() {
        writeln!(out, "      {}", withheld(plan))?;
    }
    if facts.drift > 0 {
        writeln!(
            out,
            "      {} of them because of changes made on the platform",
            facts.drift
        )?;
    }
    if facts.webhooks > 0 {
        writeln!(out, "      {} affected", counted(facts.webhooks, "live webhook"))?;
    }
    kept(out, plan)?;
    writeln!(out, "      about {}", counted(facts.calls, "API call"))?;
    writeln!(out, "{}", styled(DIM, format!("digest {}", plan.digest())))
}

/// What is not done as long as something is not confirmed.
fn withheld(plan: &Plan) -> String {
    format!("{} await confirmation", counts(&plan.withheld).join(", "))
}

/// How many changes there are of each kind.
fn counts(changes: &[Change]) -> Vec<String> {
    let count = |action: &Action| changes.iter().filter(|change| change.action == *action).count();
    let counts = Action::ALL.iter().map(|action| (count(action), action));
    let counts = counts.filter(|(count, _)| *count > 0);
    counts
        .map(|(count, action)| format!("{count} to {}", action.verb()))
        .collect()
}

fn are(tenants: usize) -> String {
    match tenants {
        0 => "what tenants share is".to_owned(),
        1 => "1 tenant is".to_owned(),
        _ => format!("all {tenants} tenants are"),
    }
}

/// What a plan amounts to.
pub struct Facts {
    pub tenants: usize,
    /// Whether something changes that several tenants share.
    pub shared: bool,
    pub drift: usize,
    /// Webhooks that answer now and are touched.
    pub webhooks: usize,
    /// A price in API calls: reads before and after every write, and probes.
    pub calls: usize,
}

impl Facts {
    pub fn of(plan: &Plan) -> Self {
        let mut tenants: BTreeSet<&str> = plan.changes.iter().map(|change| change.address.tenant()).collect();
        let shared = tenants.remove(SHARED);
        let calls = plan
            .changes
            .iter()
            .flat_map(|change| &change.steps)
            .map(|step| match step {
                Step::Create => 1,
                Step::Wait => 2,
                Step::Fill | Step::Retire | Step::Unpublish | Step::Delete => 3,
                Step::Publish => 4,
            });
        Self {
            tenants: tenants.len(),
            shared,
            drift: plan.changes.iter().filter(|change| change.is_drift()).count(),
            webhooks: plan.changes.iter().map(|change| change.work.listening.len()).sum(),
            calls: calls.sum(),
        }
    }
}
