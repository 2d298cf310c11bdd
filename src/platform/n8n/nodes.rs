//! What upa knows about n8n's documents: the keys it accepts, and the node types that need more than copying.
//!
//! Facts were measured on n8n 2.41.1 in November 2026.

use super::doors::Entrance;

/// The keys a workflow is written with. Everything else in an export is n8n's own.
pub const WORKFLOW_KEYS: [&str; 5] = ["name", "nodes", "connections", "settings", "nodeGroups"];

/// Keys of an export that say nothing about what the workflow does, or that belong to the designer's instance.
pub const EXPORT_ONLY: [&str; 20] = [
    "id",
    "active",
    "activeVersion",
    "activeVersionId",
    "createdAt",
    "updatedAt",
    "versionId",
    "versionCounter",
    "triggerCount",
    "isArchived",
    "meta",
    "tags",
    "shared",
    "staticData",
    "pinData",
    "description",
    "sourceWorkflowId",
    "parentFolder",
    "parentFolderId",
    "homeProject",
];

/// The keys a node may have; n8n answers 400 to any other.
pub const NODE_KEYS: [&str; 18] = [
    "id",
    "name",
    "type",
    "typeVersion",
    "position",
    "parameters",
    "credentials",
    "webhookId",
    "disabled",
    "notes",
    "notesInFlow",
    "executeOnce",
    "alwaysOutputData",
    "retryOnFail",
    "maxTries",
    "waitBetweenTries",
    "continueOnFail",
    "onError",
];

/// The settings n8n accepts and keeps.
pub const SETTINGS_KEYS: [&str; 14] = [
    "saveExecutionProgress",
    "saveManualExecutions",
    "saveDataErrorExecution",
    "saveDataSuccessExecution",
    "executionTimeout",
    "errorWorkflow",
    "timezone",
    "executionOrder",
    "callerPolicy",
    "callerIds",
    "timeSavedMode",
    "timeSavedPerExecution",
    "availableInMCP",
    "customTelemetryTags",
];

/// Settings n8n accepts and silently drops on an instance without the licence for them.
pub const SETTINGS_DROPPED: [&str; 3] = ["binaryMode", "credentialResolverId", "redactionPolicy"];

/// What to send so that a setting is as if it had never been set. A PUT merges settings, so leaving a key out keeps it.
pub fn reset_value(setting: &str) -> Option<serde_json::Value> {
    use serde_json::json;
    Some(match setting {
        "errorWorkflow" | "timezone" => json!("DEFAULT"),
        "executionTimeout" => json!(-1),
        "saveDataErrorExecution" | "saveDataSuccessExecution" => json!("all"),
        "saveManualExecutions" => json!(true),
        "saveExecutionProgress" | "availableInMCP" => json!(false),
        // Without it n8n runs the branches of a workflow as it did before 2023.
        "executionOrder" => json!("v0"),
        "callerPolicy" => json!("workflowsFromSameOwner"),
        "callerIds" => json!(""),
        "timeSavedMode" => json!("fixed"),
        "timeSavedPerExecution" => json!(0),
        "customTelemetryTags" => json!([]),
        _ => return None,
    })
}

/// Whether n8n takes a setting of this value away when it is sent with a PUT: with it, it is as if it were not there. Every
/// other value stays, and says something: what n8n does without a setting can be another's choice, or of another year.
pub fn unsets(setting: &str, value: &serde_json::Value) -> bool {
    let takes_away = ["errorWorkflow", "timezone", "executionTimeout"].contains(&setting);
    takes_away && reset_value(setting).is_some_and(|reset| crate::platform::compare::same(&reset, value))
}

/// The entrance of a node type; `None` when it has none that upa knows of.
pub fn entrance(node_type: &str) -> Option<Entrance> {
    Some(match node_type {
        "n8n-nodes-base.webhook" => Entrance::Webhook,
        "n8n-nodes-base.formTrigger" => Entrance::Form,
        "@n8n/n8n-nodes-langchain.chatTrigger" => Entrance::Chat,
        "@n8n/n8n-nodes-langchain.mcpTrigger" => Entrance::Mcp,
        _ => return None,
    })
}

/// Whether a node resumes or answers something that already runs: its webhook id is no way in.
pub fn only_resumes(node_type: &str) -> bool {
    matches!(node_type, "n8n-nodes-base.wait" | "n8n-nodes-base.form")
        || node_type.ends_with("HitlTool")
        || !(node_type.ends_with("Trigger") || node_type.ends_with(".webhook"))
}

/// Whether a parameter of a node is source code, also in types upa does not know.
pub fn is_code(node_type: &str, parameter: &str) -> bool {
    match parameter {
        "jsCode" | "pythonCode" | "functionCode" => true,
        "code" => node_type.to_ascii_lowercase().contains("code") || node_type.ends_with(".aiTransform"),
        _ => false,
    }
}

/// Whether a node only decorates the canvas.
pub fn is_decoration(node_type: &str) -> bool {
    node_type == "n8n-nodes-base.stickyNote"
}

/// Node types that call another workflow in a way n8n checks, or should check, before publishing.
pub fn is_call(node_type: &str) -> bool {
    matches!(
        node_type,
        "n8n-nodes-base.executeWorkflow"
            | "@n8n/n8n-nodes-langchain.toolWorkflow"
            | "@n8n/n8n-nodes-langchain.retrieverWorkflow"
    )
}

/// Node types whose `workflowId` is always one of the instance: other services have workflows too.
pub fn names_workflows(node_type: &str) -> bool {
    is_call(node_type) || reaches_the_instance(node_type)
}

/// Node types that speak to n8n's own API.
pub fn reaches_the_instance(node_type: &str) -> bool {
    node_type == "n8n-nodes-base.n8n"
}

/// Whether a type comes with n8n, so that upa knows what its parameters mean.
pub fn is_from_n8n(node_type: &str) -> bool {
    node_type.starts_with("n8n-nodes-base.") || node_type.starts_with("@n8n/n8n-nodes-langchain.")
}

/// Whether a text has the form of a workflow's id.
pub fn is_workflow_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a parameter names an object of the instance that upa does not manage: a data table, an agent, a credential.
pub fn names_instance_object(node_type: &str, parameter: &str) -> bool {
    match parameter {
        "dataTableId" => true,
        "agentId" => node_type == "n8n-nodes-base.messageAnAgent",
        "credentialId" => reaches_the_instance(node_type),
        _ => false,
    }
}

/// Resource locators that name a customer's data; fixed in a template they are the same for every tenant.
pub const DATA_LOCATORS: [&str; 10] = [
    "documentId",
    "calendar",
    "fileId",
    "folderId",
    "driveId",
    "base",
    "databaseId",
    "boardId",
    "channelId",
    "pageId",
];
