//! Which fields n8n accepts in which body: the strict schemas of 2.41.1.

use super::shape::Field;
use super::shape::Shape;
use super::shape::optional;
use super::shape::required;

const TELEMETRY_TAG: Shape = Shape::Strict(&[required("key", Shape::Text), required("value", Shape::Text)]);

const NODE: Shape = Shape::Strict(&[
    optional("id", Shape::Text),
    optional("name", Shape::Text),
    optional("webhookId", Shape::Text),
    optional("disabled", Shape::Flag),
    optional("notesInFlow", Shape::Flag),
    optional("notes", Shape::Text),
    optional("type", Shape::Text),
    optional("typeVersion", Shape::Number),
    optional("executeOnce", Shape::Flag),
    optional("alwaysOutputData", Shape::Flag),
    optional("retryOnFail", Shape::Flag),
    optional("maxTries", Shape::Number),
    optional("waitBetweenTries", Shape::Number),
    optional("continueOnFail", Shape::Flag),
    optional("onError", Shape::Text),
    optional("position", Shape::List(&Shape::Number)),
    optional("parameters", Shape::Record),
    optional("credentials", Shape::Record),
    optional(
        "customTelemetryTags",
        Shape::Strict(&[optional("tag", Shape::List(&TELEMETRY_TAG))]),
    ),
    optional("createdAt", Shape::ReadOnly),
    optional("updatedAt", Shape::ReadOnly),
]);

const NODE_GROUP: Shape = Shape::Strict(&[
    required("id", Shape::Text),
    required("name", Shape::Text),
    optional("description", Shape::TextUpTo(155)),
    required("nodeIds", Shape::List(&Shape::Text)),
]);

const SETTINGS: Shape = Shape::Strict(&[
    optional("saveExecutionProgress", Shape::Flag),
    optional("saveManualExecutions", Shape::Flag),
    optional("saveDataErrorExecution", Shape::OneOf(&["all", "none"])),
    optional("saveDataSuccessExecution", Shape::OneOf(&["all", "none"])),
    optional("executionTimeout", Shape::Number),
    optional("errorWorkflow", Shape::Text),
    optional("timezone", Shape::Text),
    optional("executionOrder", Shape::Text),
    optional("binaryMode", Shape::OneOf(&["separate", "combined"])),
    optional(
        "callerPolicy",
        Shape::OneOf(&["any", "none", "workflowsFromAList", "workflowsFromSameOwner"]),
    ),
    optional("callerIds", Shape::Text),
    optional("timeSavedMode", Shape::OneOf(&["fixed", "dynamic"])),
    optional("timeSavedPerExecution", Shape::Number),
    optional(
        "redactionPolicy",
        Shape::OneOf(&["none", "non-manual", "manual-only", "all"]),
    ),
    optional("availableInMCP", Shape::Flag),
    optional("customTelemetryTags", Shape::List(&TELEMETRY_TAG)),
    optional("credentialResolverId", Shape::Text),
]);

const SHARED: Shape = Shape::Strict(&[
    optional("role", Shape::Text),
    optional("workflowId", Shape::Text),
    optional("projectId", Shape::Text),
    optional(
        "project",
        Shape::Open(&[
            optional("id", Shape::ReadOnly),
            optional("name", Shape::Text),
            optional("type", Shape::ReadOnly),
        ]),
    ),
    optional("createdAt", Shape::ReadOnly),
    optional("updatedAt", Shape::ReadOnly),
]);

/// The fields both bodies share stand in n8n's order, which decides the issue reported first.
macro_rules! workflow_fields {
    ($($more:expr),*) => {
        &[
            optional("id", Shape::ReadOnly),
            required("name", Shape::Text),
            optional("active", Shape::ReadOnly),
            optional("createdAt", Shape::ReadOnly),
            optional("updatedAt", Shape::ReadOnly),
            optional("isArchived", Shape::ReadOnly),
            optional("versionId", Shape::ReadOnly),
            optional("triggerCount", Shape::ReadOnly),
            required("nodes", Shape::List(&NODE)),
            required("connections", Shape::Connections),
            required("settings", SETTINGS),
            optional("nodeGroups", Shape::List(&NODE_GROUP)),
            optional("staticData", Shape::OrNull(&Shape::ObjectOrJson)),
            optional("pinData", Shape::OrNull(&Shape::Record)),
            optional("parentFolderId", Shape::OrNull(&Shape::Text)),
            optional("meta", Shape::ReadOnly),
            optional("tags", Shape::ReadOnly),
            optional("shared", Shape::List(&SHARED)),
            optional("activeVersion", Shape::ReadOnly),
            $($more),*
        ]
    };
}

const NEW_WORKFLOW_FIELDS: &[Field] = workflow_fields![optional("projectId", Shape::Text)];
const CHANGED_WORKFLOW_FIELDS: &[Field] = workflow_fields![optional("description", Shape::Text)];

pub const NEW_WORKFLOW: Shape = Shape::Strict(NEW_WORKFLOW_FIELDS);
pub const CHANGED_WORKFLOW: Shape = Shape::Strict(CHANGED_WORKFLOW_FIELDS);

pub const PUBLISH: Shape = Shape::Open(&[
    optional("versionId", Shape::Text),
    optional("name", Shape::Text),
    optional("description", Shape::Text),
]);

pub const TRANSFER: Shape = Shape::Open(&[required("destinationProjectId", Shape::Text)]);

pub const TAG_IDS: Shape = Shape::List(&Shape::Strict(&[required("id", Shape::Text)]));

pub const TAG: Shape = Shape::Open(&[
    optional("id", Shape::ReadOnly),
    required("name", Shape::Text),
    optional("createdAt", Shape::ReadOnly),
    optional("updatedAt", Shape::ReadOnly),
]);

pub const NEW_CREDENTIAL: Shape = Shape::Open(&[
    optional("id", Shape::CredentialId),
    required("name", Shape::Text),
    required("type", Shape::Text),
    required("data", Shape::Record),
    optional("isResolvable", Shape::Flag),
    optional("createdAt", Shape::ReadOnly),
    optional("updatedAt", Shape::ReadOnly),
    optional("projectId", Shape::Text),
]);

pub const CHANGED_CREDENTIAL: Shape = Shape::Open(&[
    optional("name", Shape::Text),
    optional("type", Shape::Text),
    optional("data", Shape::Record),
    optional("isGlobal", Shape::Flag),
    optional("isResolvable", Shape::Flag),
    optional("isPartialData", Shape::Flag),
]);
