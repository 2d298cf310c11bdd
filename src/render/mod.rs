//! Values → text a person or a program reads. Pure: everything goes into a writer.

pub mod diff;
pub mod json;
pub mod ledger;
pub mod plan;
pub mod table;

use anstyle::{AnsiColor, Effects, Style};

/// The styles of the terminal; colour is never the only signal.
pub const GREEN: Style = AnsiColor::Green.on_default();
pub const RED: Style = AnsiColor::Red.on_default();
pub const YELLOW: Style = AnsiColor::Yellow.on_default();
pub const CYAN: Style = AnsiColor::Cyan.on_default();
pub const BOLD: Style = Style::new().effects(Effects::BOLD);
pub const DIM: Style = Style::new().effects(Effects::DIMMED);

/// `text` in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `1 tenant`, `2 tenants`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// How many tenants, and whether something that several of them share.
pub fn tenants_and(tenants: usize, shared: bool) -> String {
    match (tenants, shared) {
        (_, false) => counted(tenants, "tenant"),
        (0, true) => "what tenants share".to_owned(),
        (_, true) => format!("{} and what they share", counted(tenants, "tenant")),
    }
}
