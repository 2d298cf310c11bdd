//! Cron expressions as n8n reads them: its schedule trigger hands them to the npm package `cron` (4.4.0 in n8n 2.41.1), and
//! one that this does not take leaves a trigger dead that n8n calls published.

/// A field: its name, its least and its greatest value.
type Field = (&'static str, u32, u32);

/// The fields of an expression; the first may be missing.
const FIELDS: [Field; 6] = [
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
];

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What stands for a whole expression.
const PRESETS: [&str; 9] = [
    "@yearly",
    "@monthly",
    "@weekly",
    "@daily",
    "@hourly",
    "@minutely",
    "@secondly",
    "@weekdays",
    "@weekends",
];

/// Why n8n does not run an expression.
pub fn check(expression: &str) -> Result<(), String> {
    let expression = expression.to_ascii_lowercase();
    if PRESETS.contains(&&*expression) {
        return Ok(());
    }
    let parts: Vec<&str> = expression.split_whitespace().collect();
    let left_out = match parts.len() {
        5 => 1,
        6 => 0,
        count => return Err(format!("it has {count} fields, and n8n takes 5 or 6")),
    };
    let fields = FIELDS.iter().skip(left_out).zip(parts);
    fields.into_iter().try_for_each(|(field, part)| {
        part.split(',')
            .try_for_each(|range| check_range(field, range))
            .map_err(|why| format!("its {} `{part}` {why}", field.0))
    })
}

/// `*`, `5`, `1-5`, `*/15`, `1-5/2` or `5/2`, with names for months and days.
fn check_range((_, low, high): &Field, range: &str) -> Result<(), String> {
    let (values, step) = match range.split_once('/') {
        Some((values, step)) => (values, Some(step)),
        None => (range, None),
    };
    let step = step.map_or(Some(1), |step| {
        step.parse::<u32>().ok().filter(|_| !step.starts_with('+'))
    });
    match step {
        None => return Err("has no number as its step".to_owned()),
        Some(0) => return Err("has a step of zero".to_owned()),
        Some(_) => {}
    }
    if values == "*" {
        return Ok(());
    }
    let (from, to) = values.split_once('-').unwrap_or((values, values));
    let (Some(from), Some(to)) = (number(from), number(to)) else {
        return Err("is nothing that n8n takes".to_owned());
    };
    if from > to {
        return Err("ends before it begins".to_owned());
    }
    match (*low..=*high).contains(&from) && (*low..=*high).contains(&to) {
        true => Ok(()),
        false => Err(format!("is not within {low} and {high}")),
    }
}

/// A number, or the name of a month or a day, which n8n takes in every field.
fn number(text: &str) -> Option<u32> {
    let place = |names: &[&str]| names.iter().position(|name| *name == text);
    let named = place(&MONTHS).map(|at| at + 1).or_else(|| place(&DAYS));
    match named {
        Some(number) => u32::try_from(number).ok(),
        None => text
            .parse()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each was given to `new CronTime(…)` of the package.
    #[test]
    fn what_n8n_runs() {
        for expression in [
            "0 9 * * *",
            "*/15 * * * * *",
            "0 0 9 * * 1-5",
            "0 9 * * MON-FRI",
            "0 9 1,15 jan,jul *",
            "5/10 * * * *",
            "0-30/5 * * * *",
            "0 0 * * 7",
            "@daily",
            "@WEEKDAYS",
            "  0   9 * * *  ",
        ] {
            assert_eq!(check(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn what_n8n_does_not_run() {
        for (expression, why) in [
            ("", "0 fields"),
            ("0 9 * *", "4 fields"),
            ("0 0 9 * * 1 2026", "7 fields"),
            ("61 9 * * *", "its minute `61` is not within 0 and 59"),
            ("0 24 * * *", "its hour `24` is not within 0 and 23"),
            ("0 9 0 * *", "its day of the month `0`"),
            ("0 9 * 13 *", "its month `13`"),
            ("0 9 * * 8", "its day of the week `8`"),
            ("*/0 * * * *", "a step of zero"),
            ("*/x * * * *", "no number as its step"),
            ("*/+5 * * * *", "no number as its step"),
            ("5-1 * * * *", "ends before it begins"),
            ("0 9 L * *", "`l` is nothing that n8n takes"),
            ("0 9 ? * *", "`?` is nothing"),
            ("0 9 * * 1#2", "is nothing"),
            ("0 9 * * monday", "is nothing"),
            ("@reboot", "1 fields"),
            ("every day", "2 fields"),
        ] {
            let found = check(expression).unwrap_err();
            assert!(found.contains(why), "{expression}: {found}");
        }
    }
}
