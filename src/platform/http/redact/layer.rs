//! A text, and what it says when its escapes are taken back, with the part of the text that each byte of it comes from.

use std::ops::Range;

/// How long the beginning of a secret is that tells it.
const BEGINNING: usize = 16;

/// The names of characters that HTML gives to those that keys are made of.
const NAMES: [(&str, &str); 12] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("sol", "/"),
    ("plus", "+"),
    ("equals", "="),
    ("colon", ":"),
    ("lowbar", "_"),
    ("period", "."),
    ("nbsp", " "),
];

/// What a text says after its escapes were taken back some times.
pub struct Layer {
    bytes: Vec<u8>,
    /// Where each byte comes from.
    spans: Vec<Range<usize>>,
}

impl Layer {
    /// A text as it stands.
    pub fn of(text: &str) -> Self {
        let mut spans = Vec::with_capacity(text.len());
        for (at, letter) in text.char_indices() {
            let span = at..at + letter.len_utf8();
            spans.extend(std::iter::repeat_n(span, letter.len_utf8()));
        }
        Self {
            bytes: text.as_bytes().to_vec(),
            spans,
        }
    }

    /// What it says when its escapes are taken back once more, if there are any.
    pub fn decoded(&self) -> Option<Self> {
        let mut next = Self {
            bytes: Vec::with_capacity(self.bytes.len()),
            spans: Vec::with_capacity(self.bytes.len()),
        };
        let mut at = 0;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (meaning, length) = escape(rest).unwrap_or_else(|| (rest.iter().take(1).copied().collect(), 1));
            let whole = self.span(at..at + length);
            next.spans.extend(std::iter::repeat_n(whole, meaning.len()));
            next.bytes.extend(meaning);
            at += length;
        }
        (next.bytes.len() != self.bytes.len()).then_some(next)
    }

    /// Adds every part of the text that says this, or the beginning of it.
    pub fn find(&self, form: &str, found: &mut Vec<Range<usize>>) {
        let form = form.as_bytes();
        let beginning = form.get(..BEGINNING.min(form.len())).unwrap_or(form);
        let mut at = 0;
        while let Some(next) = self.next(beginning, at) {
            let rest = self.bytes.get(next..).unwrap_or_default();
            let length = rest
                .iter()
                .zip(form)
                .take_while(|(here, there)| is_same(**here, **there))
                .count();
            found.push(self.span(next..next + length));
            at = next + length.max(1);
        }
    }

    /// Where something stands next.
    fn next(&self, form: &[u8], from: usize) -> Option<usize> {
        let windows = self.bytes.get(from..)?.windows(form.len().max(1));
        let is_it = |window: &[u8]| window.iter().zip(form).all(|(here, there)| is_same(*here, *there));
        windows.into_iter().position(is_it).map(|at| from + at)
    }

    /// The part of the text that some bytes come from.
    fn span(&self, bytes: Range<usize>) -> Range<usize> {
        let spans = self.spans.get(bytes).unwrap_or_default();
        let start = spans.first().map_or(0, |span| span.start);
        start..spans.last().map_or(start, |span| span.end)
    }
}

/// Whether a byte of a text may stand for one of a secret. A form writes a space as `+`.
fn is_same(here: u8, there: u8) -> bool {
    here == there || here == b'+' && there == b' '
}

/// What an escape at the beginning of a text means, and how long it is: `%2F`, `\u002f`, `\x2f`, `\n`, `&#47;`, `&#x2f;` or
/// `&sol;`.
fn escape(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    match text {
        [b'%', rest @ ..] => Some((vec![u8::try_from(hex(rest.get(..2)?)?).ok()?], 3)),
        [b'\\', b'x', rest @ ..] => Some((vec![u8::try_from(hex(rest.get(..2)?)?).ok()?], 4)),
        [b'\\', b'u', rest @ ..] => Some((utf8(hex(rest.get(..4)?)?)?, 6)),
        [b'\\', b'n', ..] => Some((vec![b'\n'], 2)),
        [b'\\', b'r', ..] => Some((vec![b'\r'], 2)),
        [b'\\', b't', ..] => Some((vec![b'\t'], 2)),
        [b'\\', letter @ (b'"' | b'\\' | b'/' | b'\''), ..] => Some((vec![*letter], 2)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(10).position(|letter| *letter == b';')?;
            let name = rest.get(..end)?;
            let meaning = match name {
                [b'#', b'x' | b'X', digits @ ..] => utf8(hex(digits)?)?,
                [b'#', digits @ ..] => utf8(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
                name => {
                    let (_, meaning) = NAMES.iter().find(|(known, _)| known.as_bytes() == name)?;
                    meaning.as_bytes().to_vec()
                }
            };
            Some((meaning, end + 2))
        }
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_number)?, 16).ok()
}

fn utf8(number: u32) -> Option<Vec<u8>> {
    Some(char::from_u32(number)?.to_string().into_bytes())
}
