//! What is sent over the network: a proxy and platforms that write down every byte, and a search for secrets in it.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// What somebody was sent.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub fn forget(&self) {
        self.0.lock().unwrap().clear();
    }

    fn note(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend(bytes);
    }
}

/// Listens, and lets a thread answer each connection.
fn listen(answer: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

/// The head of a request, with its empty line, and what came of the body.
fn head(stream: &mut TcpStream, heard: &Heard) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        let size = stream.read(&mut buffer).ok().filter(|size| *size > 0)?;
        heard.note(&buffer[..size]);
        bytes.extend(&buffer[..size]);
    }
}

/// A proxy that opens every tunnel, and closes it once it has heard what came first.
pub struct Proxy {
    pub port: u16,
    pub heard: Heard,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Proxy {
    pub fn start() -> Self {
        let heard = Heard::default();
        let (noted, asked) = (heard.clone(), Arc::<Mutex<BTreeSet<String>>>::default());
        let lines = asked.clone();
        let port = listen(move |mut stream| {
            let Some((head, _)) = head(&mut stream, &noted) else {
                return;
            };
            let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
            lines.lock().unwrap().insert(line.to_owned());
            if !head.starts_with("CONNECT ") {
                let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            let mut hello = [0; 8192];
            let size = stream.read(&mut hello).unwrap_or_default();
            noted.note(&hello[..size]);
        });
        Self { port, heard, asked }
    }

    /// Where tunnels were asked for, and whatever else was asked, by its first line.
    pub fn targets(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn forget(&self) {
        self.heard.forget();
        self.asked.lock().unwrap().clear();
    }
}

/// A host that nobody should contact. It answers as if all were well.
pub fn stranger() -> (u16, Heard) {
    let heard = Heard::default();
    let noted = heard.clone();
    let port = listen(move |mut stream| {
        let _ = head(&mut stream, &noted);
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n[]",
        );
    });
    (port, heard)
}

/// A platform with a key of its own, in front of a sandbox: what it is sent is written down and passed on.
pub fn platform(key: &str, sandbox: &str, sandbox_key: &str) -> (u16, Heard) {
    let heard = Heard::default();
    let noted = heard.clone();
    let behind = sandbox.trim_start_matches("http://").to_owned();
    let keys = (key.to_owned(), sandbox_key.to_owned());
    let port = listen(move |mut stream| {
        let Some((head, mut body)) = head(&mut stream, &noted) else {
            return;
        };
        let lines: Vec<String> = head
            .trim_end()
            .split("\r\n")
            .filter(|line| !line.to_lowercase().starts_with("connection:"))
            .map(|line| match line.to_lowercase().starts_with("host:") {
                true => format!("host: {behind}"),
                false => line.replace(&keys.0, &keys.1),
            })
            .collect();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().unwrap())
        });
        let mut buffer = [0; 8192];
        while body.len() < length.unwrap_or_default() {
            let Some(size) = stream.read(&mut buffer).ok().filter(|size| *size > 0) else {
                return;
            };
            noted.note(&buffer[..size]);
            body.extend(&buffer[..size]);
        }
        let mut server = TcpStream::connect(&behind).unwrap();
        let request = format!("{}\r\nconnection: close\r\n\r\n", lines.join("\r\n"));
        let _ = server.write_all(request.as_bytes());
        let _ = server.write_all(&body);
        let _ = std::io::copy(&mut server, &mut stream);
    });
    (port, heard)
}

/// Secrets by name, each of them another.
#[derive(Clone, Default)]
pub struct Canaries(Vec<(String, String)>);

impl Canaries {
    /// One more, of a value that looks different in every encoding.
    pub fn add(&mut self, name: &str) -> String {
        let value = format!("canary-{:02}-{}/+&~", self.0.len(), name.to_lowercase());
        self.0.push((name.to_owned(), value.clone()));
        value
    }

    /// One whose value is given.
    pub fn add_as(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no canary {name}")).1
    }

    /// Without some.
    pub fn but(&self, names: &[&str]) -> Self {
        let others = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        Self(others.cloned().collect())
    }

    /// The name of one that stands in these bytes: as it is, percent-encoded, as JSON or in base64.
    pub fn found(&self, bytes: &[u8]) -> Option<String> {
        let is_there = |form: &[u8]| bytes.windows(form.len()).any(|part| part == form);
        let mut all = self.0.iter();
        let found = all.find(|(_, value)| forms(value).iter().any(|form| is_there(form.as_bytes())));
        found.map(|(name, _)| name.clone())
    }
}

/// How a value could be written.
fn forms(value: &str) -> Vec<String> {
    let percent = |plain: &dyn Fn(u8) -> bool| -> String {
        let bytes = value.bytes();
        bytes
            .map(|byte| match plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            })
            .collect()
    };
    let mut forms = vec![
        value.to_owned(),
        percent(&|byte| byte.is_ascii_alphanumeric()),
        percent(&|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)),
        percent(&|byte| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte)),
    ];
    // Whatever stands before it: without the letters that depend on what is around it.
    for before in 0..3 {
        let padded = [&[0; 3][..before], value.as_bytes()].concat();
        let whole = padded.len() / 3 * 4;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&padded);
            forms.push(text[[0, 2, 3][before]..whole].to_owned());
        }
    }
    forms
}

#[test]
fn a_canary_is_found_however_it_is_written() {
    let mut canaries = Canaries::default();
    let (one, other) = (canaries.add("ONE"), canaries.add("OTHER"));
    assert_eq!(canaries.found(b"nothing, and canary-"), None);
    for form in [
        one.clone(),
        format!(
            "?key={}",
            one.replace('/', "%2F").replace('+', "%2B").replace('&', "%26")
        ),
        format!(
            "?key={}",
            one.replace('/', "%2F")
                .replace('+', "%2B")
                .replace('&', "%26")
                .replace('~', "%7E")
                .replace('-', "%2D")
        ),
        STANDARD_NO_PAD.encode(&one),
        STANDARD_NO_PAD.encode(format!("ana:{one}")),
        STANDARD_NO_PAD.encode(format!("user:{one}")),
        URL_SAFE_NO_PAD.encode(format!("users:{one}")),
    ] {
        assert_eq!(
            canaries.found(format!("GET /{form} HTTP/1.1").as_bytes()),
            Some("ONE".to_owned()),
            "{form}"
        );
        assert_eq!(canaries.but(&["ONE"]).found(form.as_bytes()), None, "{form}");
    }
    assert_eq!(canaries.found(other.as_bytes()), Some("OTHER".to_owned()));
}
