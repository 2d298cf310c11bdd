//! A command that believes a person looks on: what it says and when, and how much memory it takes.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What was seen of a run.
pub struct Seen {
    pub ok: bool,
    pub text: String,
    pub took: Duration,
    /// The longest time without a word, and what was said last before it.
    pub silence: (Duration, String),
    /// The most memory the process held, in bytes (`VmHWM`).
    pub peak: u64,
}

/// Runs a command on a terminal of its own.
pub fn run(mut command: Command) -> Seen {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let side = || Stdio::from(File::options().read(true).write(true).open(&path).unwrap());
    command.stdout(side()).stderr(side()).stdin(Stdio::null());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    // The command holds the other side's last handles: when it ends, so does what can be read.
    drop(command);
    let (said, heard) = mpsc::channel();
    let mut reader = File::from(terminal);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if said.send((Instant::now(), buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    let (mut text, mut peak) = (Vec::new(), 0);
    let (mut last, mut silence) = (began, (Duration::ZERO, String::new()));
    loop {
        let event = heard.recv_timeout(Duration::from_millis(10));
        peak = peak.max(resident(&child));
        let (at, bytes) = match event {
            Ok(said) => said,
            Err(mpsc::RecvTimeoutError::Timeout) => continue,
            // It ended; what it did after its last word was silent too.
            Err(mpsc::RecvTimeoutError::Disconnected) => (Instant::now(), Vec::new()),
        };
        let gap = at.saturating_duration_since(last);
        if gap > silence.0 {
            silence = (gap, tail(&text));
        }
        last = at;
        if bytes.is_empty() {
            break;
        }
        text.extend(bytes);
    }
    let ok = child.wait().unwrap().success();
    Seen {
        ok,
        text: String::from_utf8_lossy(&text).into_owned(),
        took: began.elapsed(),
        silence,
        peak,
    }
}

fn tail(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[text.len().saturating_sub(200)..]).into_owned()
}

/// The most memory a process held so far.
fn resident(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
