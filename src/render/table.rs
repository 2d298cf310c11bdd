//! Tables that fit the terminal.

use comfy_table::{ContentArrangement, Table, presets};

use crate::visible::on_one_line;

/// A plain table: a head line, no frames, columns as wide as needed.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.iter().map(|cell| cell.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| on_one_line(cell)));
    }
    // Cells are padded by one on each side, also at the end of a line.
    let lines = table.to_string();
    lines
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line).trim_end()))
        .collect()
}
