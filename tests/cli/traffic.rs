//! What a person sees of the traffic: a line that lives while upa waits, a ledger at the end, a log without secrets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use regex::Regex;

use crate::support::{Run, Space};

const KEY: (&str, &str) = ("VAPI_KEY", "vapi-canary-0123456789");

/// A Vapi without assistants, slow or busy.
fn vapi(answer: fn(usize, &mut TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            answer(number, &mut stream);
        }
    });
    url
}

fn respond(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = "content-type: application/json\r\nconnection: close\r\n";
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{head}content-length: {length}\r\n\r\n{body}"
    );
}

fn slow(_: usize, stream: &mut TcpStream) {
    sleep(Duration::from_millis(2500));
    respond(stream, "200 OK", "[]");
}

fn quick(_: usize, stream: &mut TcpStream) {
    respond(stream, "200 OK", "[]");
}

fn busy(number: usize, stream: &mut TcpStream) {
    if number == 0 {
        respond(stream, "429 Too Many Requests\r\nretry-after: 1", "{}");
    } else {
        respond(stream, "200 OK", "[]");
    }
}

fn space(answer: fn(usize, &mut TcpStream)) -> Space {
    let space = Space::with(&["ana"]);
    let account = format!(
        "base_url = \"{}\"\ncredentials.api_key = {{ env = \"VAPI_KEY\" }}\n",
        vapi(answer)
    );
    space.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true\n",
        &format!("[accounts.vapi]\n{account}"),
    );
    space.commit("a Vapi elsewhere");
    space
}

/// The ledger without its numbers.
fn ledger(run: &Run) -> String {
    let numbers = Regex::new(r"\d+(\.\d+)?").unwrap();
    numbers.replace_all(&run.stderr, "#").into_owned()
}

/// Runs `upa` on a terminal: what it shows there, and the longest time in which nothing came.
fn on_a_terminal(space: &Space, args: &str) -> (String, Duration) {
    let whole = format!("{} {args}", env!("CARGO_BIN_EXE_upa"));
    let mut child = space
        .clean(Command::new("script"))
        .args(["--quiet", "--return", "--flush", "--command", &whole, "/dev/null"])
        .current_dir(space.root())
        .env("TERM", "xterm")
        .env(KEY.0, KEY.1)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script`, of util-linux, makes a terminal");
    let mut shown = Vec::new();
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    let mut part = [0; 4096];
    let mut output = child.stdout.take().unwrap();
    while let Ok(read @ 1..) = output.read(&mut part) {
        longest = longest.max(last.elapsed());
        last = Instant::now();
        shown.extend_from_slice(&part[..read]);
    }
    child.wait().unwrap();
    (String::from_utf8(shown).unwrap(), longest)
}

/// What is left on the screen: each line is what was written after the last return to its start.
fn screen(shown: &str) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    let mut column = 0;
    let codes = Regex::new(r"\x1b\[(\d*)([A-Za-z])|([\s\S])").unwrap();
    for code in codes.captures_iter(shown) {
        let row = lines.last_mut().unwrap();
        match (
            code.get(2).map(|letter| letter.as_str()),
            code.get(3).map(|letter| letter.as_str()),
        ) {
            (Some("K"), _) if &code[1] == "2" => row.clear(),
            (Some("K"), _) => row.truncate(row.chars().take(column).map(char::len_utf8).sum()),
            (Some("m"), _) => {}
            (Some(other), _) => panic!("an unexpected code: {other} in {shown:?}"),
            (None, Some("\r")) => column = 0,
            (None, Some("\n")) => {
                lines.push(String::new());
                column = 0;
            }
            (None, letter) => {
                let mut letters: Vec<char> = row.chars().collect();
                letters.resize(letters.len().max(column + 1), ' ');
                letters[column] = letter.unwrap().chars().next().unwrap();
                *row = letters.into_iter().collect();
                column += 1;
            }
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

#[test]
fn on_a_terminal_upa_is_never_silent_and_leaves_nothing_behind() {
    let space = space(slow);
    let (shown, longest) = on_a_terminal(&space, "plan");
    assert!(longest < Duration::from_secs(1), "silent for {longest:?}:\n{shown}");
    assert!(
        shown.contains("observing: n8n ") && shown.contains(", vapi 1 call"),
        "{shown:?}"
    );
    let screen = screen(&shown);
    assert!(!screen.contains("observing"), "{screen}");
    assert!(screen.contains("\nPlan: 3 to create in 1 of 1 tenant\n"), "{screen}");
    assert!(screen.contains("\nn8n: 1 call, sent 0 B, received "), "{screen}");
    assert!(screen.contains("\nvapi: 1 call, sent 0 B, received 2 B"), "{screen}");
}

#[test]
fn the_lines_of_an_apply_stay_whole() {
    let space = Space::with(&["ana"]);
    let (shown, _) = on_a_terminal(&space, "apply --yes");
    assert!(
        shown.contains("applying (") && shown.contains("under way)"),
        "{shown:?}"
    );
    let screen = screen(&shown);
    let steps: Vec<&str> = screen
        .lines()
        .filter(|line| line.contains("ana@v1/") && !line.contains('+'))
        .collect();
    assert_eq!(steps.len(), 8, "{screen}");
    let step =
        Regex::new(r"^  (created    |filled     |published  ) ana@v1/(answer|record|assistant)(  \(.*\))?$").unwrap();
    assert!(steps.iter().all(|line| step.is_match(line)), "{screen}");
    assert!(
        !screen.contains("under way") && screen.contains("\nApplied: 8 steps in 1 tenant.\n"),
        "{screen}"
    );
}

#[test]
fn elsewhere_nothing_lives_and_the_ledger_is_for_those_who_ask() {
    let space = space(quick);
    let run = space.upa_with(&["plan"], &[KEY]).exits(0);
    assert_eq!(run.stderr, "");
    let run = space.upa_with(&["plan", "-v"], &[KEY]).exits(0);
    assert_snapshot!(ledger(&run), @r"
    n#n: # call, sent # B, received # B
    vapi: # call, sent # B, received # B
    ");
    assert!(run.stderr.contains("vapi: 1 call, sent 0 B, received 2 B"), "{run}");
}

#[test]
fn a_run_that_was_held_up_says_by_whom() {
    let run = space(busy).upa_with(&["plan"], &[KEY]).exits(0);
    assert!(
        ledger(&run).contains("vapi: # calls, # retry, waited # s Retry-After, "),
        "{run}"
    );
    // What a program reads is the same as on any other day.
    let run = space(busy).upa_with(&["plan", "--format", "json"], &[KEY]).exits(0);
    assert_eq!(run.stderr, "");
    assert_eq!(
        run.json(),
        space(quick)
            .upa_with(&["plan", "--format", "json"], &[KEY])
            .exits(0)
            .json()
    );
}

#[test]
fn a_log_shows_calls_and_neither_keys_nor_what_is_below() {
    let run = space(busy).upa_with(&["plan"], &[KEY, ("UPA_LOG", "trace")]).exits(0);
    assert!(
        run.stderr.contains("answered") && run.stderr.contains("GET /assistant"),
        "{run}"
    );
    assert!(
        !run.stderr.contains("canary") && !run.stderr.contains("createdAt"),
        "{run}"
    );
    for below in ["hyper", "reqwest", "rustls"] {
        assert!(!run.stderr.contains(below), "{run}");
    }
}
