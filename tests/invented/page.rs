//! The page `src/platform/ADD-A-PLATFORM.md`, as files and commands.

/// The page.
pub const PAGE: &str = include_str!("../../src/platform/ADD-A-PLATFORM.md");

/// Where the page says that Mailroom is.
pub const USUAL_BASE: &str = "https://api.mailroom.example/v1";

/// Something the page shows.
pub enum Shown {
    /// A file of the workspace, and what is in it.
    File { path: &'static str, text: &'static str },
    /// Commands, each with the lines it says.
    Session(Vec<Command>),
}

/// A command line after `$ `, and what it says; a line that is `…` stands for any lines.
pub struct Command {
    pub line: &'static str,
    pub says: Vec<&'static str>,
}

/// Everything the page shows, in its order.
pub fn shown() -> Vec<Shown> {
    let mut found = Vec::new();
    let mut caption = None;
    let mut rest = PAGE;
    while let Some((line, behind)) = rest.split_once('\n') {
        rest = behind;
        let Some(language) = line.strip_prefix("```") else {
            caption = line.strip_prefix("**`").and_then(|line| line.strip_suffix("`**"));
            continue;
        };
        let (text, after) = behind.split_once("```\n").unwrap();
        rest = after;
        match caption.take() {
            Some(path) => found.push(Shown::File { path, text }),
            None => {
                assert_eq!(language, "console", "a block that is neither a file nor commands");
                found.push(Shown::Session(commands(text)));
            }
        }
    }
    found
}

fn commands(text: &'static str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(line), _) => commands.push(Command { line, says: Vec::new() }),
            (None, Some(command)) => command.says.push(line),
            (None, None) => panic!("`{line}` before any command"),
        }
    }
    commands
}

/// Whether a command said what the page shows.
pub fn matches(shown: &[&str], said: &[&str]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((&"…", rest)) => (0..=said.len()).any(|skipped| matches(rest, &said[skipped..])),
        Some((line, rest)) => said
            .split_first()
            .is_some_and(|(first, others)| first.trim_end() == *line && matches(rest, others)),
    }
}
