//! Numbers as a person reads them, and texts as HTML and SVG take them.

use std::fmt;

/// A text with what means something in HTML and SVG escaped; good in attributes, too.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                character if character.is_control() => f.write_str("\u{fffd}")?,
                character => write!(f, "{character}")?,
            }
        }
        Ok(())
    }
}

/// Frames a second: `3.34 M`, `250 k`. Here and below, a number and its unit stay on one line.
pub fn rate(frames: f64) -> String {
    match frames {
        f if f >= 9.95e6 => format!("{:.1}\u{a0}M", f / 1e6),
        f if f >= 99.5e3 => format!("{:.2}\u{a0}M", f / 1e6),
        f if f >= 1e3 => format!("{:.1}\u{a0}k", f / 1e3),
        f => format!("{f:.0}"),
    }
}

/// Frames a second in millions: `3.34`.
pub fn millions(frames: f64) -> String {
    if frames >= 9.95e6 { format!("{:.1}", frames / 1e6) } else { format!("{:.2}", frames / 1e6) }
}

/// A time in nanoseconds: `38 ns`, `4.2 µs`, `1.3 ms`.
pub fn nanos(time: f64) -> String {
    let (value, unit) = match time {
        t if t < 999.5 => (t, "ns"),
        t if t < 999.5e3 => (t / 1e3, "µs"),
        t if t < 999.5e6 => (t / 1e6, "ms"),
        t => (t / 1e9, "s"),
    };
    let places = if unit == "ns" || value >= 99.5 { 0 } else { usize::from(value < 99.5) + usize::from(value < 9.95) };
    format!("{value:.places$}\u{a0}{unit}")
}

/// A share of 0 to 1 as percent, exact where it is small: `0.0004 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0\u{a0}%".to_owned(),
        p if p < 0.0001 => "<0.0001\u{a0}%".to_owned(),
        p if p < 0.01 => format!("{p:.4}\u{a0}%"),
        p if p < 1.0 => format!("{p:.2}\u{a0}%"),
        p => format!("{p:.1}\u{a0}%"),
    }
}

/// A whole number with a thin space between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_places_that_matter() {
        assert_eq!(
            [rate(3_344_000.0), rate(12.31e6), rate(250e3), rate(8_250.0), rate(12.0)],
            ["3.34\u{a0}M", "12.3\u{a0}M", "0.25\u{a0}M", "8.2\u{a0}k", "12"]
        );
        assert_eq!(
            [nanos(38.4), nanos(4_230.0), nanos(42_300.0), nanos(1.3e6), nanos(2.5e9)],
            ["38\u{a0}ns", "4.23\u{a0}µs", "42.3\u{a0}µs", "1.30\u{a0}ms", "2.50\u{a0}s"]
        );
        assert_eq!(
            [percent(0.0), percent(0.000_004), percent(0.005), percent(0.25)],
            ["0\u{a0}%", "0.0004\u{a0}%", "0.50\u{a0}%", "25.0\u{a0}%"]
        );
        assert_eq!([count(999), count(1_234_567)], ["999", "1\u{202f}234\u{202f}567"]);
    }

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            Escaped("<b a='1' c=\"&\">\u{1b}").to_string(),
            "&lt;b a=&#39;1&#39; c=&quot;&amp;&quot;&gt;\u{fffd}"
        );
    }
}
