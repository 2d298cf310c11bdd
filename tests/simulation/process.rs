//! One process of upa in a world: what it reaches, until it dies.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::{Request, Response};
use serde_json::Value;
use tokio::sync::Notify;
use upa::outside::{Beside, Checkout, Deed, Outside, Said, Silence};

use super::fate::{Fate, Fault, Lie, Point};
use super::git::{self, Wish};
use super::world::World;

pub struct Process {
    pub world: Arc<World>,
    pub name: String,
    fate: Fate,
    dead: AtomicBool,
    pub died: Notify,
    count: AtomicUsize,
    /// Every point it came to.
    pub points: Mutex<Vec<Point>>,
    /// How many faults struck.
    pub struck: AtomicUsize,
    /// Whether the wire takes its time, so that processes mix.
    pub jitter: bool,
    pub interrupted: AtomicBool,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn dead() -> io::Error {
    io::Error::other("this process is dead")
}

impl Process {
    pub fn new(world: &Arc<World>, name: &str, fate: Fate, jitter: bool) -> Arc<Self> {
        Arc::new(Self {
            world: world.clone(),
            name: name.to_owned(),
            fate,
            dead: AtomicBool::new(false),
            died: Notify::new(),
            count: AtomicUsize::new(0),
            points: Mutex::default(),
            struck: AtomicUsize::new(0),
            jitter,
            interrupted: AtomicBool::new(false),
        })
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    pub fn die(&self) {
        if !self.dead.swap(true, Ordering::SeqCst) {
            self.world.note(format!("{} dies", self.name));
            self.died.notify_one();
        }
    }

    fn fate(&self, point: Point, what: &str) -> Option<Fault> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        self.points.lock().unwrap().push(point);
        let fault = self.fate.decide(number, point, |end| self.world.roll(end));
        match fault {
            Some(fault) => {
                self.struck.fetch_add(1, Ordering::SeqCst);
                self.world.note(format!("{} {number:>3} {what}: {fault:?}", self.name));
            }
            None => self.world.note(format!("{} {number:>3} {what}", self.name)),
        }
        fault
    }

    async fn do_it(&self, request: &Request) -> Option<(u16, axum::http::HeaderMap, Vec<u8>)> {
        let url = request.url();
        let mut copy = axum::http::Request::builder()
            .method(request.method().clone())
            .uri(url.as_str());
        *copy.headers_mut().unwrap() = request.headers().clone();
        // As on the wire.
        let host = url.authority().parse().unwrap();
        copy.headers_mut().unwrap().insert("host", host);
        let body = request
            .body()
            .and_then(|body| body.as_bytes())
            .unwrap_or_default()
            .to_vec();
        let response = self.world.sandbox.answer(copy.body(body).unwrap()).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Some((status, headers, bytes.to_vec()))
    }
}

fn answer(status: u16, headers: &axum::http::HeaderMap, body: Vec<u8>) -> Response {
    let mut made = axum::http::Response::builder().status(status);
    *made.headers_mut().unwrap() = headers.clone();
    Response::from(made.body(body).unwrap())
}

/// Whether a path is that of a list of objects.
fn is_list(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    ["workflows", "labels", "sites", "forms", "tokens"].contains(&last)
}

/// A page that lies: its objects stand at the top, or in the field that is a list.
fn twisted(body: &[u8], lie: Lie) -> Vec<u8> {
    let mut page: Value = serde_json::from_slice(body).unwrap();
    if matches!(lie, Lie::Empty | Lie::Short) {
        // Whatever leads on.
        for end in ["/nextCursor", "/paging", "/pagination", "/meta", "/page", "/has_more"] {
            if let Some(next) = page.pointer_mut(end) {
                *next = Value::Null;
            }
        }
    }
    let objects = match &mut page {
        Value::Array(objects) => Some(objects),
        Value::Object(fields) => fields.values_mut().find_map(Value::as_array_mut),
        _ => None,
    };
    if let Some(objects) = objects {
        match lie {
            Lie::Empty => objects.clear(),
            Lie::Short => drop(objects.pop()),
            Lie::Twice => objects.extend(objects.first().cloned()),
            Lie::Hidden if objects.is_empty() => {}
            Lie::Hidden => drop(objects.remove(0)),
        }
    }
    page.to_string().into_bytes()
}

fn json(status: u16) -> Response {
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    if status == 429 || status == 503 {
        headers.insert("retry-after", "1".parse().unwrap());
    }
    answer(
        status,
        &headers,
        format!("{{\"message\": \"simulated {status}\"}}").into_bytes(),
    )
}

#[async_trait]
impl Outside for Process {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn random(&self) -> u128 {
        self.world.random()
    }

    async fn exchange(&self, request: Request) -> Result<Response, Silence> {
        let never = std::future::pending::<Result<Response, Silence>>;
        if self.is_dead() {
            return never().await;
        }
        let what = format!("{} {}", request.method(), request.url().path());
        let looks = request.method().is_safe() || request.url().path().ends_with("/auth/token");
        let point = match looks {
            true if is_list(request.url().path()) => Point::List,
            true => Point::Look,
            false => Point::Write,
        };
        let fault = self.fate(point, &what);
        let delay = if self.jitter { 1 + self.world.roll(40) } else { 1 };
        tokio::time::sleep(Duration::from_millis(delay.into())).await;
        let timeout = request.timeout().copied().unwrap_or(Duration::from_secs(60));
        let broke = || Silence::Broke("simulated".to_owned());
        match fault {
            None => {}
            Some(Fault::Interrupt) => self.interrupted.store(true, Ordering::SeqCst),
            Some(Fault::DieBefore) => {
                self.die();
                return never().await;
            }
            Some(Fault::NotConnected) => return Err(Silence::NotConnected("simulated".to_owned())),
            Some(Fault::Lost | Fault::Refused | Fault::Overtaken) => return Err(broke()),
            Some(Fault::Late) => {
                tokio::time::sleep(timeout).await;
                return Err(Silence::Late);
            }
            Some(Fault::Status(status)) => return Ok(json(status)),
            Some(Fault::Page) => {
                let mut headers = axum::http::HeaderMap::new();
                headers.insert("content-type", "text/html".parse().unwrap());
                return Ok(answer(200, &headers, b"<html>sign in</html>".to_vec()));
            }
            Some(Fault::DieAfter) => {
                self.do_it(&request).await;
                self.die();
                return never().await;
            }
            Some(Fault::LostAfter) => {
                self.do_it(&request).await;
                return Err(broke());
            }
            Some(Fault::LateAfter) => {
                self.do_it(&request).await;
                tokio::time::sleep(timeout).await;
                return Err(Silence::Late);
            }
            Some(Fault::StatusAfter(status)) => {
                self.do_it(&request).await;
                return Ok(json(status));
            }
            Some(Fault::Lie(lie)) => {
                let (status, mut headers, body) = self.do_it(&request).await.ok_or_else(broke)?;
                headers.remove("content-length");
                if matches!(lie, Lie::Empty | Lie::Short) {
                    headers.remove("link");
                }
                return Ok(answer(status, &headers, twisted(&body, lie)));
            }
            Some(Fault::HalfAfter) => {
                let Some((status, mut headers, mut body)) = self.do_it(&request).await else {
                    return Err(broke());
                };
                headers.remove("content-length");
                body.truncate(body.len() / 2);
                return Ok(answer(status, &headers, body));
            }
        }
        let (status, headers, body) = self.do_it(&request).await.ok_or_else(broke)?;
        Ok(answer(status, &headers, body))
    }

    fn git(&self, clone: Checkout<'_>, args: &[&str], _deadline: Duration) -> io::Result<Said> {
        if self.is_dead() {
            return Err(dead());
        }
        let wish = git::understand(args);
        let (point, what) = match &wish {
            Wish::Tips(refs) => (Point::Ask, format!("ls-remote {}", refs.join(" "))),
            Wish::Fetch { from, .. } => (Point::Ask, format!("fetch {from}")),
            Wish::Push { new, reference, .. } => (Point::Push, format!("push {new}:{reference}")),
        };
        let fault = self.fate(point, &what);
        let done = || git::carry_out(&wish, clone.work_tree, &self.world.remote());
        Ok(match fault {
            None => done(),
            Some(Fault::Interrupt) => {
                self.interrupted.store(true, Ordering::SeqCst);
                done()
            }
            Some(Fault::DieBefore) => {
                self.die();
                return Err(dead());
            }
            Some(Fault::DieAfter) => {
                done();
                self.die();
                return Err(dead());
            }
            Some(Fault::Late) => return Err(io::ErrorKind::TimedOut.into()),
            Some(Fault::LateAfter) => {
                done();
                return Err(io::ErrorKind::TimedOut.into());
            }
            Some(Fault::LostAfter) => {
                done();
                git::gone()
            }
            Some(Fault::Refused) => match &wish {
                Wish::Push { new, reference, .. } => git::refused(new, reference),
                Wish::Tips(_) | Wish::Fetch { .. } => git::gone(),
            },
            Some(Fault::Overtaken) => {
                self.world.commit("somebody was faster");
                done()
            }
            Some(_) => git::gone(),
        })
    }

    fn about_to(&self, deed: Deed<'_>) -> io::Result<()> {
        if self.is_dead() {
            return Err(dead());
        }
        match self.fate(Point::Disk, &format!("{deed:?}")) {
            Some(_) => {
                self.die();
                Err(dead())
            }
            None => Ok(()),
        }
    }

    /// Its name in this world: real folders are others in every replay.
    fn whereabouts(&self, folder: &Path, _file: &File) -> io::Result<String> {
        let inside = folder.canonicalize()?;
        let inside = inside.strip_prefix(self.world.folder.path().canonicalize()?);
        Ok(inside.map_err(io::Error::other)?.display().to_string())
    }

    fn pause(&self, _time: Duration) {}

    fn beside(&self, mut work: Box<dyn FnMut() -> Option<Duration> + Send>) -> Box<dyn Beside> {
        Box::new(Task(tokio::spawn(async move {
            while let Some(pause) = work() {
                tokio::time::sleep(pause).await;
            }
        })))
    }
}

struct Task(tokio::task::JoinHandle<()>);

impl Beside for Task {}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
