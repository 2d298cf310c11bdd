//! Whether what is published answers: `active: true` only says that somebody asked for it.
//!
//! What is known is one of three: it answers, it does not, or something before n8n answers (or fails) by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;

use super::api::Api;
use super::{N8n, WORKFLOW};
use crate::outside;
use crate::platform::error::PlatformError;
use crate::platform::{Activity, Answer, Platform as _, Question, Reading};
use crate::resource::Kind;

/// A publication takes a moment: what does not answer is asked again after each of these pauses.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1_000),
];

/// What an answer to a preflight says of one method.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Live,
    Dead,
    /// Not n8n's own answer.
    Unclear(String),
}

impl Api {
    /// Notes of every workflow of ours that runs whether its webhooks answer. Where that cannot be told nothing is noted
    /// but why.
    pub(super) async fn listen(&self, question: &Question, answer: &mut Answer) {
        let kind = Kind::new(WORKFLOW);
        let known = question.ids.get(&kind);
        let running = answer.objects.iter().filter_map(|((of, id), reading)| match reading {
            Reading::Present(object) if object.activity == Activity::Running => {
                let ours = known.is_some_and(|ids| ids.contains(id)) && object.mark.is_some();
                let doors = N8n.listening(of, &object.document);
                (ours && !doors.is_empty()).then(|| (id.clone(), doors))
            }
            _ => None,
        });
        let running: BTreeMap<String, Vec<(String, String)>> = running.collect();
        if running.is_empty() {
            return;
        }
        // What answers at an address that nobody has is not n8n.
        match self.hears("POST", &format!("/webhook/{}", outside::random_id())).await {
            Heard::Dead => {}
            Heard::Live => {
                answer.deaf = Some("something before it answers preflights by itself".to_owned());
                return;
            }
            Heard::Unclear(why) => {
                answer.deaf = Some(why);
                return;
            }
        }
        let asked = running.into_iter().map(|(id, doors)| async move {
            let heard = join_all(doors.iter().map(|(method, path)| self.hears_at_last(method, path))).await;
            (id, heard)
        });
        for (id, heard) in join_all(asked).await {
            for unclear in &heard {
                if let Heard::Unclear(why) = unclear {
                    answer.deaf.get_or_insert_with(|| why.clone());
                }
            }
            if let (true, Some(Reading::Present(object))) = (
                heard.contains(&Heard::Dead),
                answer.objects.get_mut(&(kind.clone(), id)),
            ) {
                object.activity = Activity::Silent;
            }
        }
    }

    async fn hears_at_last(&self, method: &str, path: &str) -> Heard {
        for pause in AGAIN {
            match self.hears(method, path).await {
                Heard::Live => return Heard::Live,
                Heard::Dead | Heard::Unclear(_) => tokio::time::sleep(pause).await,
            }
        }
        self.hears(method, path).await
    }

    async fn hears(&self, method: &str, path: &str) -> Heard {
        let url = format!("{}{path}", self.webhook_url);
        heard(method, self.client.preflight(&url).await)
    }
}

/// n8n answers a preflight with 204 and the methods that are registered, versions before with 404 where there are none.
fn heard(method: &str, answer: Result<(u16, String), PlatformError>) -> Heard {
    match answer {
        Ok((204, allowed)) => {
            let mut allowed = allowed.split(',');
            match allowed.any(|allowed| allowed.trim().eq_ignore_ascii_case(method)) {
                true => Heard::Live,
                false => Heard::Dead,
            }
        }
        Ok((404, _)) => Heard::Dead,
        Ok((status, _)) => Heard::Unclear(format!("a preflight was answered with the status {status}")),
        Err(error) => Heard::Unclear(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::error::ErrorKind;

    #[test]
    fn only_what_n8n_itself_says_counts() {
        let of = |status, allowed: &str| heard("POST", Ok((status, allowed.to_owned())));
        assert_eq!(of(204, "OPTIONS, POST"), Heard::Live);
        assert_eq!(of(204, "OPTIONS, GET"), Heard::Dead);
        assert_eq!(of(204, ""), Heard::Dead);
        assert_eq!(of(404, ""), Heard::Dead);
        for status in [200, 301, 401, 403, 429, 500, 502, 503] {
            assert!(matches!(of(status, "POST"), Heard::Unclear(_)), "{status}");
        }
        let silence = PlatformError::new(ErrorKind::Unreachable, "OPTIONS webhook", "x");
        assert!(matches!(heard("POST", Err(silence)), Heard::Unclear(_)));
    }
}
