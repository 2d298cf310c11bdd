//! Below HTTP: connections that nobody uses.

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::Check;
use super::check;
use super::server::Server;

pub fn checks() -> Vec<Check> {
    vec![check!("a connection idle for five seconds is closed", idle_close)]
}

/// Sends a request over this connection; the status line, or nothing when the connection is gone.
fn ask(stream: &mut TcpStream, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let mut buffer = [0; 4096];
    let sent = stream.write_all(request.as_bytes());
    match sent.and_then(|()| stream.read(&mut buffer)) {
        Ok(read) => String::from_utf8_lossy(&buffer[..read])
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
        Err(_) => String::new(),
    }
}

async fn idle_close(server: &Server) {
    let url = reqwest::Url::parse(&server.url).expect("a URL");
    let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(80));
    let path = format!("{}/healthz", url.path().trim_end_matches('/'));
    let task = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&host).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        let first = ask(&mut stream, &host, &path);
        std::thread::sleep(Duration::from_millis(4200));
        let second = ask(&mut stream, &host, &path);
        std::thread::sleep(Duration::from_millis(6800));
        let third = ask(&mut stream, &host, &path);
        (first, second, third)
    });
    let (first, second, third) = task.await.expect("a result");
    assert_eq!(
        (first.as_str(), second.as_str(), third.as_str()),
        ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK", "")
    );
}
