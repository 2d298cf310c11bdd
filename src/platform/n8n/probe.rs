//! Whether a webhook really answers. `active: true` only says that somebody asked for it.
//!
//! A CORS preflight runs nothing and leaves no execution: 204 with the method among those allowed means live, anything else not
//! (measured on 2.41.1). It says that *some* workflow answers; that it is ours follows from the path, which is random
//! and checked to be unique in the plan.

use std::time::Duration;

use tokio::time::Instant;

use super::api::Api;
use crate::outside;
use crate::platform::error::{ErrorKind, PlatformError};

/// After a crash n8n's publication queue holds its lease for two minutes; a probe waits longer than that.
const DEADLINE: Duration = Duration::from_secs(150);

/// What a probe can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Live,
    Dead,
}

impl Api {
    async fn probe(&self, method: &str, path: &str) -> Result<Verdict, PlatformError> {
        let url = format!("{}{path}", self.webhook_url);
        let (status, allowed) = self.client.preflight(&url).await?;
        let live = status == 204
            && allowed
                .split(',')
                .any(|allowed| allowed.trim().eq_ignore_ascii_case(method));
        Ok(if live { Verdict::Live } else { Verdict::Dead })
    }

    /// Waits until every probe says `wanted`. `Ok(false)` when a proxy answers preflights by itself, so that nothing
    /// can be proved.
    pub async fn wait_until(&self, probes: &[(String, String)], wanted: Verdict) -> Result<bool, PlatformError> {
        if probes.is_empty() {
            return Ok(true);
        }
        let nobody = format!("/webhook/{}", outside::random_id());
        if self.probe("POST", &nobody).await? == Verdict::Live {
            return Ok(false);
        }
        let started = Instant::now();
        for (method, path) in probes {
            let mut pause = Duration::from_millis(50);
            while self.probe(method, path).await? != wanted {
                if started.elapsed() > DEADLINE {
                    let state = if wanted == Verdict::Live {
                        "does not answer"
                    } else {
                        "still answers"
                    };
                    return Err(PlatformError::new(
                        ErrorKind::Deadline,
                        format!("{method} webhook"),
                        format!(
                            "it {state} after {} s although n8n accepted the change; open the workflow in n8n and look at its triggers",
                            DEADLINE.as_secs()
                        ),
                    ));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
        }
        Ok(true)
    }
}
