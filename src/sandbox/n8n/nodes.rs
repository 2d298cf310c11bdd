//! What the sandbox knows about node types: which exist, which have webhooks, which can start a workflow, and the few
//! parameters whose absence n8n refuses to publish.

use serde_json::Value;
use serde_json::json;

use super::workflow::new_uuid;

pub const WEBHOOK: &str = "n8n-nodes-base.webhook";
pub const FORM_TRIGGER: &str = "n8n-nodes-base.formTrigger";
pub const CHAT_TRIGGER: &str = "@n8n/n8n-nodes-langchain.chatTrigger";
pub const EXECUTE_WORKFLOW: &str = "n8n-nodes-base.executeWorkflow";
const EXECUTE_WORKFLOW_TRIGGER: &str = "n8n-nodes-base.executeWorkflowTrigger";
const ERROR_TRIGGER: &str = "n8n-nodes-base.errorTrigger";
const SCHEDULE_TRIGGER: &str = "n8n-nodes-base.scheduleTrigger";

const BASE: &str = "n8n-nodes-base.";
const LANGCHAIN: &str = "@n8n/n8n-nodes-langchain.";

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

/// A node's type; every stored node has one.
pub fn type_of(node: &Value) -> &str {
    node["type"].as_str().unwrap_or_default()
}

pub fn is_enabled(node: &Value) -> bool {
    node["disabled"] != json!(true)
}

/// The sandbox takes every type of n8n's two packages for known; it has no list of the 630.
pub fn is_known(of: &str) -> bool {
    of.starts_with(BASE) || of.starts_with(LANGCHAIN)
}

fn has_webhooks(of: &str) -> bool {
    let listed = |names: &str, name: &str| names.contains(&format!(" {name} "));
    of.strip_prefix(BASE).is_some_and(|name| listed(WITH_WEBHOOKS, name))
        || of
            .strip_prefix(LANGCHAIN)
            .is_some_and(|name| listed(LANGCHAIN_WITH_WEBHOOKS, name))
}

/// Can a node of this type start a workflow, by n8n's reckoning?
fn is_start(of: &str) -> bool {
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

/// Gives an id to each node without one, and a `webhookId` to each node whose type has webhooks.
pub fn fill_ids(nodes: &mut [Value]) {
    for node in nodes {
        let missing = |node: &Value, key: &str| node[key].as_str().is_none_or(str::is_empty);
        if missing(node, "id") {
            node["id"] = json!(new_uuid());
        }
        if has_webhooks(type_of(node)) && missing(node, "webhookId") {
            node["webhookId"] = json!(new_uuid());
        }
    }
}

/// n8n's `triggerCount` of a live version: the triggers that started; called workflows and error handlers do not count.
pub fn count_triggers(nodes: &[Value]) -> u64 {
    let counts = |node: &&Value| {
        let of = type_of(node);
        let trigger = is_start(of) && (of.ends_with("Trigger") || of == WEBHOOK);
        let started = is_enabled(node) && !is_broken(node);
        trigger && started && of != EXECUTE_WORKFLOW_TRIGGER && of != ERROR_TRIGGER
    };
    nodes.iter().filter(counts).count() as u64
}

/// A schedule that cannot start, with the reason the synchronous mode gives.
pub fn broken_trigger(nodes: &[Value]) -> Option<String> {
    nodes
        .iter()
        .any(is_broken)
        .then(|| "There was a problem activating the workflow: \"Invalid cron expression\"".to_owned())
}

fn is_broken(node: &Value) -> bool {
    let intervals = node["parameters"]["rule"]["interval"].as_array();
    is_enabled(node)
        && type_of(node) == SCHEDULE_TRIGGER
        && intervals.into_iter().flatten().any(|interval| {
            let expression = interval["expression"].as_str().unwrap_or_default();
            interval["field"] == "cronExpression" && !is_cron(expression)
        })
}

fn is_cron(expression: &str) -> bool {
    let fields: Vec<&str> = expression.split_whitespace().collect();
    let plain = |field: &&str| {
        field.chars().all(|c| c.is_ascii_digit() || "*/,-?LW#".contains(c))
            || field
                .split([',', '-', '/'])
                .all(|part| part.len() == 3 || part.parse::<u32>().is_ok())
    };
    (5..=6).contains(&fields.len()) && fields.iter().all(plain)
}

/// Why this version may not be published, in n8n's words; `None` when it may.
pub fn refusal(nodes: &[Value], connections: &Value) -> Option<String> {
    if !nodes.iter().any(|node| is_enabled(node) && is_start(type_of(node))) {
        return Some(
            "Workflow cannot be activated because it has no trigger node. At least one trigger, webhook, or polling \
             node is required."
                .to_owned(),
        );
    }
    let mut lines = Vec::new();
    for node in nodes {
        let issues = issues(node);
        let checked = is_start(type_of(node)) || is_connected(node, connections);
        if is_enabled(node) && checked && !issues.is_empty() {
            let name = node["name"].as_str().unwrap_or_default();
            lines.push(format!("Node \"{name}\":\n  - {}", issues.join("\n  - ")));
        }
    }
    let plural = if lines.len() == 1 { "" } else { "s" };
    (!lines.is_empty()).then(|| {
        format!(
            "Cannot publish workflow: {} node{plural} have configuration issues:\n\n{}",
            lines.len(),
            lines.join("\n\n")
        )
    })
}

fn is_connected(node: &Value, connections: &Value) -> bool {
    let name = node["name"].as_str().unwrap_or_default();
    let targets = |types: &Value| {
        let outputs = types.as_object().into_iter().flatten().map(|(_, outputs)| outputs);
        let lists = outputs.flat_map(|outputs| outputs.as_array().into_iter().flatten());
        let mut targets = lists.flat_map(|targets| targets.as_array().into_iter().flatten());
        targets.any(|target| target["node"] == name)
    };
    connections.get(name).is_some()
        || connections
            .as_object()
            .into_iter()
            .flatten()
            .any(|(_, types)| targets(types))
}

/// The few checks of parameters and credentials the sandbox knows.
fn issues(node: &Value) -> Vec<String> {
    let parameters = &node["parameters"];
    let empty = |name: &str| match &parameters[name] {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(locator) if locator.contains_key("__rl") => {
            matches!(&locator.get("value"), None | Some(Value::Null)) || locator["value"] == ""
        }
        _ => false,
    };
    let (credential, needed): (Option<&str>, &[&str]) = match type_of(node) {
        "n8n-nodes-base.httpRequest" => (None, &["url"]),
        EXECUTE_WORKFLOW_TRIGGER => {
            let version = node["typeVersion"].as_f64().unwrap_or(1.0);
            let source = parameters["inputSource"].as_str().unwrap_or("workflowInputs");
            let inputs: &[&str] = if version >= 1.1 && source == "workflowInputs" {
                &["workflowInputs"]
            } else {
                &[]
            };
            (None, inputs)
        }
        "n8n-nodes-base.googleSheets" => (Some("googleSheetsOAuth2Api"), &["documentId", "sheetName"]),
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
