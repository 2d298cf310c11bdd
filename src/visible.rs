//! Texts of strangers as they may be shown: nothing in them acts on a terminal, hides, turns the reading around, or passes
//! for a command of the program that reads the output (GitHub's runner obeys `::command::` and `##[command]`).

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Whether a character acts on a terminal: control characters but line feed and tab.
pub fn acts(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// Whether a character is not seen, or changes how those around it are seen: bidi controls, zero-width characters, line
/// and paragraph separators, byte order marks, tags, noncharacters.
pub fn hides(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FDD0}'..='\u{FDEF}' | '\u{2800}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{1D173}'..='\u{1D17A}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
        || u32::from(c) & 0xFFFE == 0xFFFE
}

/// The text with `\u{202E}` for what hides; control characters stay.
pub fn unhidden(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match hides(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A text of a stranger, of any number of lines.
pub fn shown(text: &str) -> String {
    unhidden(text).replace(acts, "\u{FFFD}")
}

/// The same on one line: a line feed is written `\n`, so that no value begins a line of its own.
pub fn on_one_line(text: &str) -> String {
    shown(text).replace('\n', "\\n")
}

/// JSON for programs. Between the quotes of its texts everything that acts or hides is an escape of JSON, so that what is
/// parsed is unchanged.
pub fn json(value: &Value) -> String {
    let text = format!("{value:#}");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match acts(c) || hides(c) {
            true => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => out.push(c),
        }
    }
    out.replace("##[", "#\\u0023[")
}

/// Everything that is printed goes through one of these, whoever wrote it: the last barrier. It keeps upa's own colours,
/// shows what acts or hides, and puts a space into what would be a command.
#[derive(Debug, Clone)]
pub struct Barrier {
    /// Only white space stands on this line so far.
    blank: bool,
    /// The line begins with one colon.
    colon: bool,
    /// How many `#` stand before the next character.
    hashes: usize,
}

impl Default for Barrier {
    fn default() -> Self {
        Self {
            blank: true,
            colon: false,
            hashes: 0,
        }
    }
}

impl Barrier {
    /// The next part of what is printed, as it may be.
    pub fn pass(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(length) = colour(rest) {
                out.push_str(&rest[..length]);
                rest = &rest[length..];
                continue;
            }
            rest = &rest[c.len_utf8()..];
            self.one(c, &mut out);
        }
        out
    }

    fn one(&mut self, c: char, out: &mut String) {
        if (c == ':' && self.colon) || (c == '[' && self.hashes > 1) {
            out.push(' ');
        }
        self.hashes = if c == '#' { self.hashes + 1 } else { 0 };
        self.colon = c == ':' && self.blank;
        // What is shown as an escape stands on the line like any letter.
        self.blank = c == '\n' || (self.blank && c.is_whitespace() && !acts(c) && !hides(c));
        match c {
            c if acts(c) => out.push('\u{FFFD}'),
            c if hides(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}

/// How many bytes a colour of upa's takes that a text begins with: `ESC [ … m` with foreground colours that are seen, bold,
/// dim, italic and underlined, and nothing that hides or erases.
fn colour(text: &str) -> Option<usize> {
    let (parameters, _) = text.strip_prefix("\u{1b}[")?.split_once('m')?;
    let harmless = |parameter: &str| {
        let number: Option<u8> = parameter.parse().ok();
        number.is_some_and(|number| matches!(number, 0..=4 | 31..=37 | 39 | 90..=97)) || parameter.is_empty()
    };
    parameters
        .split(';')
        .all(harmless)
        .then_some("\u{1b}[m".len() + parameters.len())
}

/// What joins or parts letters where a script needs it, keeps an emoji together, or names a flag.
const NEEDED: &str = r"(?x)
    [\p{Extended_Pictographic}\p{Emoji_Modifier}\x{FE0F}\x{20E3}] (?: \x{200D} \p{Extended_Pictographic} [\x{FE0F}\p{Emoji_Modifier}]* )+
    | \x{1F3F4} [\x{E0020}-\x{E007E}]+ \x{E007F}
    | [\p{Arabic}\p{Syriac}\p{Mandaic}\p{Nko}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}
       \p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Tibetan}\p{Myanmar}\p{Khmer}\p{Lao}\p{Thai}\p{Inherited}--[\x{200C}\x{200D}]] [\x{200C}\x{200D}]";

static NEEDED_SEQUENCES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(NEEDED).ok());

/// Where something hides in a text that a person wrote and that no script needs, with what it is.
pub fn suspicious(text: &str) -> Vec<(usize, char)> {
    if text.is_ascii() || !text.contains(hides) {
        return Vec::new();
    }
    let needed: Vec<_> = NEEDED_SEQUENCES
        .iter()
        .flat_map(|regex| regex.find_iter(text))
        .map(|found| found.range())
        .collect();
    text.char_indices()
        // Editors put a byte order mark before a file, and a soft hyphen says where a word may be broken.
        .filter(|(at, c)| hides(*c) && *c != '\u{AD}' && !(*at == 0 && *c == '\u{FEFF}'))
        .filter(|(at, _)| !needed.iter().any(|range| range.contains(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn passed(parts: &[&str]) -> String {
        let mut barrier = Barrier::default();
        parts.iter().map(|part| barrier.pass(part)).collect()
    }

    #[test]
    fn what_acts_or_hides_is_shown() {
        assert_eq!(shown("a\u{1b}[2Jb\r\u{9b}"), "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}");
        assert_eq!(shown("a\u{202E}b\u{2028}\n"), "a\\u{202e}b\\u{2028}\n");
        assert_eq!(on_one_line("a\nerror: b"), "a\\nerror: b");
        for c in "\u{200B}\u{200F}\u{2066}\u{FEFF}\u{E0041}\u{FFFE}\u{10FFFF}\u{FDD0}".chars() {
            assert!(hides(c), "{c:?}");
        }
        assert!(!"añ漢🏽\u{FE0F}\u{301}".contains(hides));
    }

    #[test]
    fn commands_are_broken_wherever_the_parts_end() {
        for parts in [
            &["::error::x"][..],
            &["a\n", "  ", ":", ":error::x"],
            &["\u{a0}\t::x"],
            &["\u{1b}[1m::x\u{1b}[0m"],
        ] {
            let out = passed(parts);
            let plain = anstream::adapter::strip_str(&out).to_string();
            assert!(
                !plain.lines().any(|line| line.trim_start().starts_with("::")),
                "{out:?}"
            );
        }
        assert_eq!(passed(&["a #", "##[group]x"]), "a ### [group]x");
        assert_eq!(passed(&["#\u{1b}[0m", "#\u{1b}[1m["]), "#\u{1b}[0m#\u{1b}[1m [");
        // Nothing else is touched.
        let plain = "a::b: c ## d [x] #[e]\n  : x\nexit 5\n";
        assert_eq!(passed(&[plain]), plain);
    }

    #[test]
    fn only_colours_that_show_pass() {
        let own = "\u{1b}[1m\u{1b}[94mx\u{1b}[0m";
        assert_eq!(passed(&[own]), own);
        for other in [
            "\u{1b}[8m",
            "\u{1b}[30;40m",
            "\u{1b}[2J",
            "\u{1b}]0;t\u{7}",
            "\u{1b}[38;5;0m",
        ] {
            assert!(!passed(&[other]).contains('\u{1b}'), "{other:?}");
        }
    }

    #[test]
    fn json_for_programs_says_the_same() {
        let value = json!({"a\u{202E}": "##[error]\u{9b}\u{E0041}\u{2028}x###[", "b": [1, "\n::error::"]});
        let text = json(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(!text.contains("##[") && !text.contains(hides), "{text}");
        assert_eq!(Barrier::default().pass(&text), text);
    }

    #[test]
    fn what_a_script_needs_is_not_suspicious() {
        for text in [
            "👩‍👩‍👧 ❤️‍🔥 👩🏽‍💻",
            "می‌خواهم",
            "क्‍ष ക്‌ഷ",
            "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
            "\u{FEFF}at the start",
            "soft\u{AD}hyphen",
        ] {
            assert_eq!(suspicious(text), [], "{text}");
        }
        for (text, c) in [
            ("pay\u{200B}pal", '\u{200B}'),
            ("a\u{200D}b", '\u{200D}'),
            ("می\u{202E}", '\u{202E}'),
            ("👩\u{200D}x", '\u{200D}'),
            ("x\u{E0067}", '\u{E0067}'),
            ("x\u{FEFF}", '\u{FEFF}'),
            ("a\u{2028}", '\u{2028}'),
        ] {
            assert_eq!(
                suspicious(text).iter().map(|(_, c)| *c).collect::<Vec<_>>(),
                [c],
                "{text}"
            );
        }
    }

    const PIECES: [&str; 16] = [
        ":",
        "::",
        "#",
        "##[",
        "[",
        " ",
        "\t",
        "\n",
        "\u{1b}",
        "[1m",
        "\u{1b}[0m",
        "\u{202E}",
        "\u{200B}",
        "\u{2028}",
        "\u{85}",
        "\u{a0}",
    ];

    proptest! {
            #[test]
    fn nothing_gets_past(parts in prop::collection::vec(prop_oneof![prop::sample::select(PIECES.to_vec()).prop_map(str::to_owned), "\\PC{0,3}"], 0..12)) {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                let out = anstream::adapter::strip_str(&passed(&parts)).to_string();
                prop_assert!(!out.contains("##["));
                prop_assert!(!out.contains(hides) && !out.contains(acts));
                prop_assert!(!out.lines().any(|line| line.trim_start().starts_with("::")));
            }
        }
}
