//! Faults that can be switched on: a platform that fails before the write, after it, slowly, or while it boots.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;

use super::chaos::Chaos;
use super::http::Answer;
use super::spoil::Said;
use super::spoil::Spoil;

/// What goes wrong, how often, and for which requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub account: String,
    /// Any method when absent.
    #[serde(default)]
    pub method: Option<String>,
    /// A prefix of the path below the account (with `$` behind it: the whole path); `*` matches any run of characters. Any
    /// path when absent.
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default = "once")]
    pub times: u32,
    pub kind: Kind,
    /// For [`Kind::Status`].
    #[serde(default)]
    pub status: Option<u16>,
    /// For [`Kind::Status`]: a text is sent as HTML, anything else as JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// For [`Kind::Latency`].
    #[serde(default)]
    pub ms: u64,
    /// For [`Kind::Status`] and [`Kind::StatusAfterWrite`]: seconds in the header `Retry-After`.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// For [`Kind::ShortList`]: how many objects the page lacks. For [`Kind::SmallPages`]: how many it holds at most. For
    /// [`Kind::Endless`] and [`Kind::Flood`]: how many there are.
    #[serde(default = "few")]
    pub count: usize,
    /// For [`Kind::Hidden`], [`Kind::Vanished`] and [`Kind::Deaf`]: the platform's own ids.
    #[serde(default)]
    pub ids: Vec<String>,
    /// For [`Kind::Clock`]: how far the platform's clock is ahead, in seconds; negative: behind.
    #[serde(default)]
    pub ahead: i64,
    /// For [`Kind::Clock`]: what it says in the place of a time.
    #[serde(default)]
    pub date: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Answers with this status; nothing is done.
    Status,
    /// Does it, then answers with this status.
    StatusAfterWrite,
    /// Does it, then closes the connection without an answer.
    DropAfterWrite,
    /// Closes the connection; nothing is done.
    DropBefore,
    /// Waits, then does it.
    Latency,
    /// The answers of an n8n that is starting: `200 text/html` first, then `404 text/html`.
    Boot,
    /// A page of a list lacks its last objects and claims to be the end.
    ShortList,
    /// Answers with what was there before the last write.
    StaleRead,
    /// A page of a list shows an object twice.
    Repeat,
    /// A list leads to the same page again and again.
    CursorLoop,
    /// A page of a list is left out: the one behind it is shown.
    SkipPage,
    /// n8n puts fewer workflows on a page, so that a few make several. Goes together with other faults, and is not used up.
    SmallPages,
    /// Objects are missing from lists and can be read.
    Hidden,
    /// Objects are missing from lists, and reading them says that they do not exist.
    Vanished,
    /// The session ends just before.
    Expire,
    /// Does it; a proxy answers with a page in HTML, with this status.
    Page,
    /// Does it, and answers with nothing.
    EmptyBody,
    /// Does it, and half of the answer is missing, although it ends as answers do.
    CutBody,
    /// Does it; the answer breaks off in the middle.
    CutAnswer,
    /// Does it, and the first id in the answer is another.
    WrongId,
    /// Does it; every id in the answer is [`Fault::body`] instead.
    OddId,
    /// Does it, and answers with [`Fault::count`] MiB of small tables, compressed.
    Flood,
    /// A list goes on for ever: behind its objects come others that nobody made, [`Fault::count`] on each page.
    Endless,
    /// An n8n forgets the webhooks of these workflows, which stay published: they are there again once these are
    /// unpublished and published.
    Deaf,
    /// The platform's clock is wrong. Goes together with other faults, and is not used up.
    Clock,
}

impl Kind {
    /// Whether it goes together with others.
    fn is_lasting(self) -> bool {
        matches!(self, Kind::SmallPages | Kind::Clock)
    }
}

fn once() -> u32 {
    1
}

fn few() -> usize {
    1
}

/// What an answer does wrong while the service makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Twist {
    /// So many objects are missing from the end of a page that claims to be the last.
    Short(usize),
    Stale,
    Repeat,
    Loop,
    Skip,
    /// Pages with so many objects that nobody made, for ever.
    Endless(usize),
    Hidden {
        ids: Vec<String>,
        /// From reads too.
        everywhere: bool,
    },
    Expire,
    Deaf(Vec<String>),
}

impl Twist {
    /// Whether an object is hidden, in a list or from a read.
    pub fn hides(&self, id: &str, in_list: bool) -> bool {
        match self {
            Twist::Hidden { ids, everywhere } => (in_list || *everywhere) && ids.iter().any(|hidden| hidden == id),
            _ => false,
        }
    }
}

/// What the middleware has to do for one request.
#[derive(Debug)]
pub enum Effect {
    Answer(Answer),
    DropBefore,
    DropAfter,
    AnswerAfter(Answer),
    Wait(Duration),
    Twist(Twist),
    /// It is done, and its answer is spoiled.
    Spoil(Spoil),
}

#[derive(Debug, Default)]
pub struct Faults {
    waiting: Mutex<Vec<(Fault, u32)>>,
    chaos: Mutex<Option<Chaos>>,
}

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((fault, 0));
    }

    pub fn all(&self) -> Vec<Fault> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.iter().map(|(fault, _)| fault.clone()).collect()
    }

    pub fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many objects a page holds at most, if that is less than usual.
    pub fn page_size(&self, account: &str) -> Option<usize> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut small = waiting
            .iter()
            .filter(|(fault, _)| fault.kind == Kind::SmallPages && fault.account == account);
        small.next().map(|(fault, _)| fault.count.max(1))
    }

    /// What an account's clock says, if it is wrong.
    pub fn clock(&self, account: &str) -> Option<Said> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wrong = waiting
            .iter()
            .filter(|(fault, _)| fault.kind == Kind::Clock && fault.account == account);
        wrong.next().map(|(fault, _)| match &fault.date {
            Some(text) => Said::Text(text.clone()),
            None => Said::Ahead(fault.ahead),
        })
    }

    /// Every account tells lies from this seed.
    pub fn lie(&self, seed: u64) {
        *self.chaos.lock().unwrap_or_else(PoisonError::into_inner) = Some(Chaos::new(seed));
    }

    /// The oldest fault for this request, used up by one; else a lie, where lies are told.
    pub fn strike(&self, account: &str, method: &str, path: &str) -> Option<Effect> {
        self.switched(account, method, path).or_else(|| {
            let mut chaos = self.chaos.lock().unwrap_or_else(PoisonError::into_inner);
            let lie = chaos.as_mut()?.lie(account, method, path)?;
            tracing::debug!(account, method, path, kind = ?lie.kind, status = lie.status, "a lie is told");
            Some(lie.effect(1, method, path))
        })
    }

    fn switched(&self, account: &str, method: &str, path: &str) -> Option<Effect> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let at = waiting
            .iter()
            .position(|(fault, _)| !fault.kind.is_lasting() && fault.meets(account, method, path))?;
        let (fault, struck) = &mut waiting[at];
        let effect = fault.effect(*struck, method, path);
        *struck += 1;
        if *struck >= fault.times {
            waiting.remove(at);
        }
        Some(effect)
    }
}

impl Fault {
    /// One of a kind, for the next request of an account.
    pub fn of(account: &str, kind: Kind) -> Self {
        Self {
            account: account.to_owned(),
            method: None,
            path: None,
            times: once(),
            kind,
            status: None,
            body: None,
            ms: 0,
            retry_after: None,
            count: few(),
            ids: Vec::new(),
            ahead: 0,
            date: None,
        }
    }

    fn meets(&self, account: &str, method: &str, path: &str) -> bool {
        self.times > 0
            && self.account == account
            && self
                .method
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|pattern| starts_like(path, pattern))
    }

    fn effect(&self, struck: u32, method: &str, path: &str) -> Effect {
        match self.kind {
            Kind::DropAfterWrite => Effect::DropAfter,
            Kind::DropBefore => Effect::DropBefore,
            Kind::Latency => Effect::Wait(Duration::from_millis(self.ms)),
            Kind::Boot => Effect::Answer(booting(struck, method, path)),
            Kind::Status => Effect::Answer(self.answer()),
            Kind::StatusAfterWrite => Effect::AnswerAfter(self.answer()),
            Kind::ShortList => Effect::Twist(Twist::Short(self.count)),
            Kind::StaleRead => Effect::Twist(Twist::Stale),
            Kind::Repeat => Effect::Twist(Twist::Repeat),
            Kind::CursorLoop => Effect::Twist(Twist::Loop),
            Kind::SkipPage => Effect::Twist(Twist::Skip),
            // It strikes nothing.
            Kind::SmallPages | Kind::Clock => Effect::Wait(Duration::ZERO),
            Kind::Hidden | Kind::Vanished => Effect::Twist(Twist::Hidden {
                ids: self.ids.clone(),
                everywhere: self.kind == Kind::Vanished,
            }),
            Kind::Expire => Effect::Twist(Twist::Expire),
            Kind::Page => Effect::Spoil(Spoil::Page(self.status.unwrap_or(502))),
            Kind::EmptyBody => Effect::Spoil(Spoil::Empty),
            Kind::CutBody => Effect::Spoil(Spoil::Half),
            Kind::CutAnswer => Effect::Spoil(Spoil::Cut),
            Kind::WrongId => Effect::Spoil(Spoil::WrongId),
            Kind::OddId => Effect::Spoil(Spoil::Ids(self.body.clone().unwrap_or_default())),
            Kind::Flood => Effect::Spoil(Spoil::Flood(self.count)),
            Kind::Endless => Effect::Twist(Twist::Endless(self.count)),
            Kind::Deaf => Effect::Twist(Twist::Deaf(self.ids.clone())),
        }
    }

    fn answer(&self) -> Answer {
        let status = self.status.unwrap_or(500);
        let answer = match &self.body {
            Some(Value::String(text)) => Answer::text(status, "text/html; charset=utf-8", text.as_str()),
            Some(body) => Answer::json(status, body),
            None => Answer::empty(status),
        };
        match self.retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

/// n8n answers the first moments of a boot with 200, then with express's 404, both HTML (seen on 2.41.1).
fn booting(struck: u32, method: &str, path: &str) -> Answer {
    if path == "/healthz/readiness" {
        return Answer::json_text(503, br#"{"status":"error"}"#.to_vec());
    }
    if struck == 0 {
        return Answer::text(200, "text/html; charset=utf-8", "n8n is starting up. Please wait");
    }
    page(404, &format!("Cannot {method} {path}"))
}

/// Express's error page.
pub fn page(status: u16, text: &str) -> Answer {
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n\
         <body>\n<pre>{text}</pre>\n</body>\n</html>\n"
    );
    Answer::text(status, "text/html; charset=utf-8", page)
        .with("content-security-policy", "default-src 'none'")
        .with("x-content-type-options", "nosniff")
}

/// Does `path` start with something that looks like `pattern`?
fn starts_like(path: &str, pattern: &str) -> bool {
    let (pattern, whole) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut pieces = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    !whole || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_prefix_with_stars() {
        assert!(starts_like("/api/v1/workflows/7", "/api/v1/workflows"));
        assert!(starts_like(
            "/api/v1/workflows/7/publish",
            "/api/v1/workflows/*/publish"
        ));
        assert!(!starts_like("/api/v1/workflows/7", "/api/v1/workflows/*/publish"));
        assert!(!starts_like("/webhook/x", "/api"));
        assert!(starts_like("/assistant", "/assistant$"));
        assert!(!starts_like("/assistant/7", "/assistant$"));
    }

    #[test]
    fn a_fault_strikes_so_often_and_no_more() {
        let faults = Faults::default();
        let fault = serde_json::json!({"account": "n8n", "method": "POST", "times": 2, "kind": "drop_before"});
        faults.add(serde_json::from_value(fault).unwrap());
        assert!(faults.strike("n8n", "GET", "/x").is_none());
        assert!(faults.strike("other", "POST", "/x").is_none());
        assert!(faults.strike("n8n", "POST", "/x").is_some());
        assert!(faults.strike("n8n", "POST", "/x").is_some());
        assert!(faults.strike("n8n", "POST", "/x").is_none());
    }
}
