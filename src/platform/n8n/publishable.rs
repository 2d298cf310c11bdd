//! What n8n refuses to publish, and what it publishes and never runs: known before the first call.
//!
//! Facts were measured on n8n 2.41.1 in November 2026; the sandbox refuses by the same, and the conformance suite holds both
//! to the real one.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::cron;

const EXECUTE_WORKFLOW_TRIGGER: &str = "n8n-nodes-base.executeWorkflowTrigger";
const SCHEDULE_TRIGGER: &str = "n8n-nodes-base.scheduleTrigger";

const BASE: &str = "n8n-nodes-base.";
const LANGCHAIN: &str = "@n8n/n8n-nodes-langchain.";

/// The longest name of a workflow, in characters.
pub const LONGEST_NAME: usize = 128;

/// Types of `n8n-nodes-base` with webhooks, as 2.41.1 has them: their nodes get a `webhookId`, and n8n takes every
/// one of them for something that can start a workflow, even `slack` and `wait`.
const WITH_WEBHOOKS: &str = " activeCampaignTrigger acuitySchedulingTrigger affinityTrigger asanaTrigger \
    autopilotTrigger awsSnsTrigger bitbucketTrigger boxTrigger calTrigger calendlyTrigger chargebeeTrigger \
    ciscoWebexTrigger clickUpTrigger convertKitTrigger copperTrigger currentsTrigger customerIoTrigger discord \
    emailSend emeliaTrigger eventbriteTrigger facebookLeadAdsTrigger facebookTrigger figmaTrigger flowTrigger form \
    formIoTrigger formTrigger formstackTrigger getResponseTrigger github githubTrigger gitlabTrigger gmail \
    googleChat gumroadTrigger helpScoutTrigger hubspotTrigger invoiceNinjaTrigger jiraTrigger jotFormTrigger \
    keapTrigger koBoToolboxTrigger lemlistTrigger linearTrigger loneScaleTrigger mailchimpTrigger \
    mailerLiteTrigger mailjetTrigger mauticTrigger microsoftOutlook microsoftTeams microsoftTeamsTrigger \
    netlifyTrigger onfleetTrigger payPalTrigger pipedriveTrigger postmarkTrigger pushcutTrigger sendInBlueTrigger \
    shopifyTrigger slack slackTrigger stravaTrigger stripeTrigger surveyMonkeyTrigger taigaTrigger telegram \
    telegramTrigger theHiveProjectTrigger theHiveTrigger trelloTrigger twilioTrigger typeformTrigger \
    venafiTlsProtectCloudTrigger wait webflowTrigger webhook whatsApp whatsAppTrigger wiseTrigger \
    wooCommerceTrigger workableTrigger wufooTrigger zendeskTrigger ";
const LANGCHAIN_WITH_WEBHOOKS: &str = " chat chatTrigger mcpTrigger microsoftAgent365Trigger ";

/// Whether a type is of n8n's two packages.
pub fn is_known(of: &str) -> bool {
    of.starts_with(BASE) || of.starts_with(LANGCHAIN)
}

/// Whether nodes of a type get a `webhookId`.
pub fn has_webhooks(of: &str) -> bool {
    let listed = |names: &str, name: &str| names.contains(&format!(" {name} "));
    of.strip_prefix(BASE).is_some_and(|name| listed(WITH_WEBHOOKS, name))
        || of
            .strip_prefix(LANGCHAIN)
            .is_some_and(|name| listed(LANGCHAIN_WITH_WEBHOOKS, name))
}

/// Can a node of this type start a workflow, by n8n's reckoning?
pub fn is_start(of: &str) -> bool {
    if of == "n8n-nodes-base.manualTrigger" || of == "@n8n/n8n-nodes-langchain.manualChatTrigger" {
        return false;
    }
    let old = [
        "n8n-nodes-base.cron",
        "n8n-nodes-base.interval",
        "n8n-nodes-base.emailReadImap",
    ];
    is_known(of) && (of.ends_with("Trigger") || has_webhooks(of) || old.contains(&of))
}

fn type_of(node: &Value) -> &str {
    node["type"].as_str().unwrap_or_default()
}

/// Whether a node may start a workflow: of a type that n8n does not bring along its name tells.
pub fn may_start(node: &Value) -> bool {
    let of = type_of(node);
    let foreign = !is_known(of) && of.ends_with("Trigger");
    node["disabled"] != Value::Bool(true) && (is_start(of) || foreign)
}

/// Whether n8n looks at a node before it publishes.
pub fn is_looked_at(node: &Value, connected: &BTreeSet<&str>) -> bool {
    let is_connected = || connected.contains(node["name"].as_str().unwrap_or_default());
    node["disabled"] != Value::Bool(true) && (is_start(type_of(node)) || is_connected())
}

/// Why the cron expressions of a schedule do not run, in n8n's words and in ours.
pub fn dead_schedules(node: &Value) -> Vec<(&str, String)> {
    let intervals = node["parameters"]["rule"]["interval"].as_array();
    let on = node["disabled"] != Value::Bool(true) && type_of(node) == SCHEDULE_TRIGGER;
    let intervals = intervals
        .into_iter()
        .flatten()
        .filter(|interval| on && interval["field"] == "cronExpression");
    let expressions = intervals.map(|interval| interval["expression"].as_str().unwrap_or_default());
    // What is evaluated, or rendered later, is not known yet.
    let known = expressions.filter(|expression| !expression.starts_with('=') && !expression.contains("<%="));
    known
        .filter_map(|expression| Some((expression, cron::check(expression).err()?)))
        .collect()
}

/// An offset, or an abbreviation of letters, which n8n takes too.
static OFFSET: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("^(?:UTC[+-][0-9]{1,2}(?::[0-9]{2})?|[A-Z]{2,5}|local|system|default)$")
        .unwrap_or_else(|error| panic!("bug: {error}"))
});

/// Whether n8n knows a time zone: those of the IANA database, with their old names, offsets, and abbreviations.
pub fn is_timezone(name: &str) -> bool {
    OFFSET.is_match(name) || jiff::tz::TimeZoneDatabase::bundled().get(name).is_ok()
}

/// The nodes that a connection begins or ends at.
pub fn connected(connections: &Value) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (source, types) in connections.as_object().into_iter().flatten() {
        names.insert(source.as_str());
        let outputs = types.as_object().into_iter().flat_map(serde_json::Map::values);
        let ends = outputs
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(Value::as_array)
            .flatten();
        names.extend(ends.filter_map(|end| end["node"].as_str()));
    }
    names
}

/// The parameters and credentials that a node must have before n8n publishes it, in n8n's words, for the few types of which
/// that is known.
pub fn issues(node: &Value) -> Vec<String> {
    let parameters = &node["parameters"];
    let empty = |name: &str| match &parameters[name] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(locator) if locator.contains_key("__rl") => {
            matches!(&locator.get("value"), None | Some(Value::Null)) || locator["value"] == ""
        }
        _ => false,
    };
    let version = node["typeVersion"].as_f64().unwrap_or(1.0);
    // Handed to an agent as a tool a node needs the same.
    let of = type_of(node);
    let (credential, needed): (Option<&str>, &[&str]) = match of.strip_suffix("Tool").unwrap_or(of) {
        "n8n-nodes-base.httpRequest" | "n8n-nodes-base.rssFeedRead" => (None, &["url"]),
        EXECUTE_WORKFLOW_TRIGGER => {
            let source = parameters["inputSource"].as_str().unwrap_or("workflowInputs");
            let inputs: &[&str] = if version >= 1.1 && source == "workflowInputs" {
                &["workflowInputs"]
            } else {
                &[]
            };
            (None, inputs)
        }
        "n8n-nodes-base.googleSheets" => sheets(version, parameters),
        "n8n-nodes-base.googleCalendar" => (Some("googleCalendarOAuth2Api"), &["calendar"]),
        _ => (None, &[]),
    };
    let mut issues = Vec::new();
    let own_choice = parameters["authentication"]
        .as_str()
        .is_some_and(|choice| choice != "oAuth2");
    if let Some(needed) = credential
        && !own_choice
        && node["credentials"][needed].is_null()
    {
        issues.push(format!("Missing required credential: {needed}"));
    }
    let missing: Vec<&str> = needed.iter().copied().filter(|name| empty(name)).collect();
    if !missing.is_empty() {
        issues.push(format!(
            "Missing or invalid required parameters: {}",
            missing.join(", ")
        ));
    }
    issues
}

/// What a Google Sheets node needs: it depends on its version and on what it does.
fn sheets(version: f64, parameters: &Value) -> (Option<&'static str>, &'static [&'static str]) {
    let of = |name: &str| parameters[name].as_str().unwrap_or_default();
    let spreadsheet = of("resource") == "spreadsheet";
    let credential = (version >= 2.0).then_some("googleSheetsOAuth2Api");
    let needed: &[&str] = match (spreadsheet, of("operation")) {
        (true, "deleteSpreadsheet") if version >= 3.0 => &["documentId"],
        (true, _) => &[],
        (false, _) if version < 3.0 => &["sheetId"],
        (false, "create") => &["documentId"],
        (false, _) => &["documentId", "sheetName"],
    };
    (credential, needed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each was published on n8n 2.41.1.
    #[test]
    fn what_a_google_sheets_node_needs() {
        for (version, parameters, expected) in [
            (1.0, json!({}), "sheetId"),
            (1.0, json!({"resource": "spreadsheet", "operation": "create"}), ""),
            (2.0, json!({"operation": "append"}), "sheetId"),
            (3.0, json!({"operation": "create"}), "documentId"),
            (4.7, json!({}), "documentId, sheetName"),
            (
                4.7,
                json!({"operation": "appendOrUpdate", "documentId": "x"}),
                "sheetName",
            ),
            (4.7, json!({"resource": "spreadsheet", "operation": "create"}), ""),
            (
                4.7,
                json!({"resource": "spreadsheet", "operation": "deleteSpreadsheet"}),
                "documentId",
            ),
        ] {
            let chosen = json!({"googleSheetsOAuth2Api": {"id": "1", "name": "x"}});
            let node = json!({"type": "n8n-nodes-base.googleSheets", "typeVersion": version, "parameters": parameters, "credentials": chosen});
            let expected: Vec<String> = match expected {
                "" => Vec::new(),
                names => vec![format!("Missing or invalid required parameters: {names}")],
            };
            assert_eq!(issues(&node), expected, "{version} {parameters}");
        }
    }
}
