//! Text in pieces that mean something: printed as it is, or in colours on a terminal.

/// What a piece of text means for whoever looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// Of no great interest.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Doubtful,
    /// Not as it should be.
    Bad,
}

/// A piece of text in one tone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

impl Piece {
    /// What another process has said is shown, whatever it is: a control character would command the terminal.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Piece {
        let text: String = text.into();
        Piece { text: text.replace(char::is_control, "?"), tone }
    }

    pub(crate) fn plain(text: impl Into<String>) -> Piece {
        Piece::new(text, Tone::Plain)
    }

    fn len(&self) -> usize {
        self.text.chars().count()
    }
}

/// A line of pieces.
pub(crate) type Line = Vec<Piece>;

/// A line of one piece.
pub(crate) fn line(text: impl Into<String>, tone: Tone) -> Line {
    vec![Piece::new(text, tone)]
}

/// A part of what is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// Rows below a header, in columns; numbers stand at their column's right end.
pub(crate) fn table(header: &[&str], rows: Vec<Line>) -> Vec<Line> {
    let header = header.iter().map(|name| Piece::new(*name, Tone::Faint)).collect();
    let rows: Vec<Line> = std::iter::once(header).chain(rows).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(Piece::len).max())
        .map(Option::unwrap_or_default)
        .collect();
    let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let of_numbers: Vec<bool> = (0..columns)
        .map(|column| {
            let mut cells = rows.iter().skip(1).filter_map(|row| row.get(column));
            cells.all(|cell| is_number(&cell.text) || cell.text == NOTHING)
        })
        .collect();
    let in_columns = |row: Line| {
        let last = row.len().saturating_sub(1);
        let cells = row.into_iter().enumerate();
        cells
            .map(|(column, Piece { text, tone })| {
                let width = widths[column];
                let text = match (of_numbers[column], column == last) {
                    (true, true) => format!("{text:>width$}"),
                    (true, false) => format!("{text:>width$}  "),
                    (false, true) => text,
                    (false, false) => format!("{text:<width$}  "),
                };
                Piece { text, tone }
            })
            .collect()
    };
    rows.into_iter().map(in_columns).collect()
}

/// What stands in a table where nothing is known.
pub(crate) const NOTHING: &str = "-";

/// A whole number, its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many a second.
pub(crate) fn rate(per_s: Option<f64>) -> String {
    match per_s {
        None => NOTHING.into(),
        Some(per_s) if per_s > 0.0 && per_s < 10.0 => format!("{per_s:.1}"),
        Some(per_s) => grouped(per_s.round() as u64),
    }
}

/// Nanoseconds in microseconds, to three digits after the point.
pub(crate) fn us(ns: f64) -> String {
    format!("{:.3}", ns / 1_000.0)
}

/// How long something has been there.
pub(crate) fn span(ms: u64) -> String {
    let (s, m, h, d) = (ms / 1_000 % 60, ms / 60_000 % 60, ms / 3_600_000 % 24, ms / 86_400_000);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, m) => format!("{m} min {s:02} s"),
        (0, h, m) => format!("{h} h {m:02} min"),
        (d, h, _) => format!("{d} d {h:02} h"),
    }
}

/// One bar a value, from nothing to the highest; a gap where there is none.
pub(crate) fn spark(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = values.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        Some(_) if highest <= 0.0 => BARS[0],
        Some(value) => BARS[((value / highest * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(
            [None, Some(0.0), Some(0.24), Some(9.96), Some(1_234.4)].map(rate),
            ["-", "0", "0.2", "10.0", "1,234"]
        );
        assert_eq!(us(1_234.0), "1.234");
        assert_eq!(
            [999, 61_000, 3_600_000, 90_000_000].map(span),
            ["0 s", "1 min 01 s", "1 h 00 min", "1 d 01 h"]
        );
    }

    #[test]
    fn a_bar_stands_for_a_value_between_nothing_and_the_highest() {
        assert_eq!(spark(&[Some(0.0), Some(1.0), None, Some(4.0), Some(8.0)]), "▁▁ ▄█");
        assert_eq!(spark(&[Some(0.0), Some(0.0)]), "▁▁");
        assert_eq!(spark(&[]), "");
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let row = |cells: [&str; 2]| cells.map(Piece::plain).to_vec();
        let shown = table(&["name", "n"], vec![row(["a", "1,000"]), row(["long one", "-"])]);
        let text: Vec<String> =
            shown.iter().map(|line| line.iter().map(|of| of.text.as_str()).collect()).collect();
        assert_eq!(text, ["name          n", "a         1,000", "long one      -"]);
    }

    #[test]
    fn nobody_commands_the_terminal_through_a_name() {
        assert_eq!(Piece::plain("a\u{1b}[2Jb\n").text, "a?[2Jb?");
    }
}
