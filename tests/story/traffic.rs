//! Customers who call all the time: every call names its tenant, and must reach that tenant's workflow or nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;

use super::TENANTS;
use super::instance::Instance;
use super::workspace::Workspace;

/// Calls that are being made.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    calls: JoinHandle<usize>,
    n8n: Instance,
    /// Tenant, path and workflow of every webhook that is called.
    targets: Vec<(&'static str, String, String)>,
}

impl Traffic {
    pub async fn start(workspace: &Workspace, n8n: &Instance) -> Self {
        let mut targets = Vec::new();
        for tenant in TENANTS {
            for (webhook, resource) in [("inbound", "inbound-call"), ("reminders", "reminders")] {
                let path = workspace.webhook_path(tenant, webhook);
                let (status, _) = n8n.call(&path, tenant).await;
                assert_eq!(
                    status, 200,
                    "{tenant}: webhook `{webhook}` answers at its own path right after apply"
                );
                targets.push((tenant, path, workspace.id(tenant, resource)));
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let calls = tokio::spawn(call_on_and_on(stop.clone(), n8n.clone(), targets.clone()));
        Self {
            stop,
            calls,
            n8n: n8n.clone(),
            targets,
        }
    }

    /// Ends the calls and says how many were answered, after proving that each reached its own tenant.
    pub async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let calls = self.calls.await.unwrap();
        for (tenant, _, workflow) in &self.targets {
            if self.n8n.real {
                let (executions, markers) = self.n8n.markers(workflow).await;
                assert!(executions > 0, "{tenant}: workflow {workflow} never ran");
                let own = std::collections::BTreeSet::from([(*tenant).to_owned()]);
                assert_eq!(markers, own, "workflow {workflow} of {tenant} was reached by others");
            }
        }
        calls
    }
}

async fn call_on_and_on(stop: Arc<AtomicBool>, n8n: Instance, targets: Vec<(&'static str, String, String)>) -> usize {
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        for (tenant, path, workflow) in &targets {
            let (status, by) = n8n.call(path, tenant).await;
            if status == 200 {
                answered += 1;
                assert!(
                    by.is_none_or(|by| by == *workflow),
                    "a call of {tenant} reached another workflow"
                );
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    answered
}
