//! How much of a platform is read at most. Whatever it answers, reading ends, in bounded memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::resource::Kind;

/// The largest answer that is read, in bytes after decompression.
pub const ANSWER: usize = 32 << 20;
/// What the values of one answer may take, in bytes of memory: see [`memory`].
pub const MEMORY: usize = 128 << 20;
/// The largest answer to a probe: its body says nothing.
pub const PROBE: usize = 64 << 10;
/// How many pages a list has at most.
pub const PAGES: usize = 1_000;
/// How many empty pages may follow each other behind cursors.
const EMPTY_PAGES: usize = 20;
/// The longest cursor, in bytes.
const CURSOR: usize = 8 << 10;
/// What everything that is kept of a list may take, in bytes of memory.
const KEPT: usize = 1 << 30;
/// The longest id, in characters.
const ID: usize = 256;

/// How long the observation of an account may take, besides what each object takes that is read by itself.
const OBSERVATION: Duration = Duration::from_secs(15 * 60);
/// How long each of those may take: the slowest platforms allow a call a second.
const EACH_READ: Duration = Duration::from_secs(2);

/// How long the observation of an account may take that is asked for these ids and for so many objects nobody knows the id
/// of.
pub fn observation(ids: &BTreeMap<Kind, BTreeSet<String>>, wanted: usize) -> Duration {
    let reads = ids.values().map(BTreeSet::len).sum::<usize>().saturating_add(wanted);
    OBSERVATION.saturating_add(EACH_READ.saturating_mul(u32::try_from(reads).unwrap_or(u32::MAX)))
}

/// About how many bytes of memory a JSON text takes once it is read: little text can hold many values. It is told from the
/// text alone, so that what is too much is never read.
pub fn memory(json: &[u8]) -> usize {
    // A value in a list, an entry of a table, a table's first node, a list's first buffer: as `serde_json` keeps them.
    const VALUE: usize = 64;
    const ENTRY: usize = 100;
    const TABLE: usize = 640;
    const LIST: usize = 128;
    let mut total = json.len();
    let (mut inside, mut escaped) = (false, false);
    for byte in json {
        if inside {
            inside = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        total = total.saturating_add(match byte {
            b'"' => {
                inside = true;
                0
            }
            b',' => VALUE,
            b':' => ENTRY,
            b'{' => TABLE,
            b'[' => LIST,
            _ => 0,
        });
    }
    total
}

/// Whether a text can be an id that a platform assigned: what holds blanks, slashes or what cannot be printed, or is longer
/// than a page of text, is no id, and the answer was not understood.
pub fn is_assigned_id(text: &str) -> bool {
    let goes_up = matches!(text, "." | "..");
    is_given_id(text) && !goes_up && !text.contains(|c: char| c.is_whitespace() || c == '/' || c == '\\')
}

/// The same of an id that people gave: it may consist of several words.
pub fn is_given_id(text: &str) -> bool {
    !text.is_empty() && text == text.trim() && text.chars().count() <= ID && !text.contains(char::is_control)
}

/// A list that is being read, page by page.
#[derive(Debug, Default)]
pub struct Pages {
    pages: usize,
    empty: usize,
    kept: usize,
    cursors: BTreeSet<String>,
}

/// What one page brought.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// How many objects it shows.
    pub count: usize,
    /// How many of them no page showed before.
    pub new: usize,
    /// Where the next page is.
    pub next: &'a str,
    /// Whether pages are counted, so that none of them is empty.
    pub counted: bool,
}

impl Pages {
    /// Counts what is kept of a page, in bytes of memory.
    ///
    /// # Errors
    /// Why the list is not read any further.
    pub fn keep(&mut self, memory: usize) -> Result<(), String> {
        self.kept = self.kept.saturating_add(memory);
        if self.kept <= KEPT {
            return Ok(());
        }
        Err(format!("the list takes more than {} MiB of memory", KEPT >> 20))
    }

    /// Counts a page that another one follows.
    ///
    /// # Errors
    /// Why there is no end to expect.
    pub fn follow(&mut self, page: Page<'_>) -> Result<(), String> {
        self.pages += 1;
        self.empty = if page.count == 0 { self.empty + 1 } else { 0 };
        if page.next.len() > CURSOR {
            return Err(format!("the cursor of the next page is longer than {CURSOR} bytes"));
        }
        if !self.cursors.insert(page.next.to_owned()) {
            return Err("the list repeats itself: it leads to the same page again".to_owned());
        }
        if page.count > 0 && page.new == 0 {
            return Err("a full page brought nothing new: the list does not end".to_owned());
        }
        // Pages behind a cursor may be empty now and then.
        if self.empty > if page.counted { 0 } else { EMPTY_PAGES } {
            return Err("page after page is empty: the list does not end".to_owned());
        }
        if self.pages >= PAGES {
            return Err(format!("the list does not end within {PAGES} pages"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: usize, next: &str) -> Page<'_> {
        Page {
            count,
            new: count,
            next,
            counted: false,
        }
    }

    #[test]
    fn an_id_is_a_word() {
        let long = "a".repeat(257);
        for text in [
            "", "a b", " a", "a\n", "a\u{0}", "a/b", "a\\b", "\u{85}", "a\u{a0}b", &long,
        ] {
            assert!(!is_assigned_id(text), "{text:?}");
        }
        for text in ["a", "7", "user:ana@example.test", "é", &long[1..]] {
            assert!(is_assigned_id(text) && is_given_id(text), "{text:?}");
        }
        for (text, given) in [
            ("two words", true),
            ("a/b", true),
            ("a ", false),
            ("a\tb", false),
            (&*long, false),
        ] {
            assert_eq!(is_given_id(text), given, "{text:?}");
        }
    }

    #[test]
    fn little_text_with_many_values_counts_what_they_take() {
        let tables = format!("[{}]", vec!["{\"a\":1}"; 1000].join(","));
        assert!(memory(tables.as_bytes()) > 500 * 1000);
        let text = format!("[\"{}\"]", "{[,:\\\"".repeat(1000));
        assert!(
            memory(text.as_bytes()) < text.len() + 1000,
            "what stands in a text is text"
        );
        assert!(
            memory(b"\"a\\\\\",{") > TABLE_AT_LEAST,
            "an escaped backslash escapes nothing"
        );
    }
    const TABLE_AT_LEAST: usize = 640;

    #[test]
    fn a_list_ends() {
        let mut pages = Pages::default();
        let fresh = (1..).find_map(|n: usize| pages.follow(page(1, &n.to_string())).err().map(|why| (n, why)));
        assert_eq!(
            fresh,
            Some((PAGES, format!("the list does not end within {PAGES} pages")))
        );
        let mut pages = Pages::default();
        let empty = (1..).find_map(|n: usize| pages.follow(page(0, &n.to_string())).err().map(|_| n));
        assert_eq!(empty, Some(EMPTY_PAGES + 1));
        let mut pages = Pages::default();
        assert!(pages.follow(page(1, "a")).is_ok() && pages.follow(page(1, "a")).is_err());
        assert!(pages.follow(page(1, &"c".repeat(CURSOR + 1))).is_err());
        assert!(pages.follow(Page { new: 0, ..page(1, "b") }).is_err());
        assert!(
            pages
                .follow(Page {
                    counted: true,
                    ..page(0, "d")
                })
                .is_err()
        );
        assert!(pages.keep(KEPT).is_ok() && pages.keep(1).is_err());
    }

    #[test]
    fn an_observation_has_time_for_what_is_read_by_itself() {
        let ids = BTreeMap::from([(Kind::new("a.b"), BTreeSet::from(["1".to_owned(), "2".to_owned()]))]);
        assert_eq!(observation(&ids, 1), OBSERVATION + 3 * EACH_READ);
    }
}
