//! A view on a terminal's cells, however few there are.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as Row, Span};
use ratatui::widgets::Paragraph;

use super::View;
use super::text::{Line, Section, Tone};

/// Fewer cells than these show one sentence.
const WIDTH_MIN: u16 = 24;
const HEIGHT_MIN: u16 = 6;
const HELP: &str = "q quit   1-6 one part   0 all   ↑↓ PgUp PgDn scroll";

/// In which colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Colours,
    /// As NO_COLOR asks for (no-color.org).
    Plain,
}

impl Theme {
    fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let (colour, plain) = match tone {
            Tone::Plain => return plain,
            Tone::Strong => return plain.add_modifier(Modifier::BOLD),
            Tone::Faint => return plain.add_modifier(Modifier::DIM),
            Tone::Good => (Color::Green, plain),
            Tone::Doubtful => (Color::Yellow, plain),
            Tone::Bad => (Color::Red, plain.add_modifier(Modifier::BOLD)),
        };
        match self {
            Theme::Colours => plain.fg(colour),
            Theme::Plain => plain,
        }
    }
}

/// What of a view is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) theme: Theme,
    /// The only part that is shown, or all of them.
    pub(crate) part: Option<usize>,
    /// Lines of it that are above what is seen.
    pub(crate) above: usize,
}

impl Look {
    pub(crate) fn new(theme: Theme) -> Look {
        Look { theme, part: None, above: 0 }
    }
}

/// Draws it, and brings `look` back to where there is something to see.
pub(crate) fn draw(frame: &mut Frame<'_>, view: &View, look: &mut Look) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let words = format!("{}x{} is too small; q quits", area.width, area.height);
        return put(frame, area, vec![Row::from(words)]);
    }
    let style = |of: &Line| -> Row<'static> {
        let pieces = of.iter();
        pieces.map(|of| Span::styled(of.text.clone(), look.theme.style(of.tone))).collect()
    };
    let mut rows: Vec<Row<'static>> = view.head().iter().map(style).collect();
    let sections = view.sections();
    let room = usize::from(area.height).saturating_sub(rows.len() + 1);
    let heading = |number: usize, title: &str| {
        let title = format!("{} {title} ", number + 1);
        let rule = "─".repeat(usize::from(area.width).saturating_sub(title.chars().count()));
        Row::from(vec![
            Span::styled(title, look.theme.style(Tone::Strong)),
            Span::styled(rule, look.theme.style(Tone::Faint)),
        ])
    };
    match look.part.and_then(|part| Some((part, sections.get(part)?))) {
        Some((part, Section { title, lines })) => {
            let below = room.saturating_sub(1);
            look.above = look.above.min(lines.len().saturating_sub(below));
            rows.push(heading(part, title));
            rows.extend(lines.iter().skip(look.above).take(below).map(style));
        }
        None => {
            let needs: Vec<_> = sections.iter().map(|of| of.lines.len() + 1).collect();
            let of_each = shares(&needs, room);
            for (number, (Section { title, lines }, share)) in
                sections.iter().zip(of_each).enumerate()
            {
                let Some(share) = share.checked_sub(1) else { continue };
                rows.push(heading(number, title));
                let shown = if lines.len() > share { share.saturating_sub(1) } else { lines.len() };
                rows.extend(lines.iter().take(shown).map(style));
                if shown < lines.len() && share > 0 {
                    let more = format!("… {} more: key {}", lines.len() - shown, number + 1);
                    rows.push(Row::from(Span::styled(more, look.theme.style(Tone::Faint))));
                }
            }
        }
    }
    rows.truncate(usize::from(area.height - 1));
    put(frame, area, rows);
    let help = Rect { y: area.bottom() - 1, height: 1, ..area };
    let words = Span::styled(HELP, look.theme.style(Tone::Strong));
    put(frame, help, vec![Row::from(words)]);
}

fn put(frame: &mut Frame<'_>, area: Rect, rows: Vec<Row<'static>>) {
    frame.render_widget(Paragraph::new(rows), area);
}

/// How many lines each of several gets that need so many: a heading and two lines of each first, as far as they go, then what is
/// left in their order.
fn shares(needs: &[usize], room: usize) -> Vec<usize> {
    const FIRST: usize = 3;
    let mut left = room;
    let mut give = |wanted: usize| {
        let given = wanted.min(left);
        left -= given;
        given
    };
    let mut shares: Vec<usize> = needs.iter().map(|need| give(FIRST.min(*need))).collect();
    for (share, need) in shares.iter_mut().zip(needs) {
        *share += give(need - *share);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_a_line_before_one_has_many() {
        assert_eq!(shares(&[50, 4, 9], 100), [50, 4, 9]);
        assert_eq!(shares(&[50, 4, 9], 20), [14, 3, 3]);
        assert_eq!(shares(&[2, 2, 9], 20), [2, 2, 9]);
        assert_eq!(shares(&[50, 4, 9], 7), [3, 3, 1]);
        assert_eq!(shares(&[], 7), [0; 0]);
    }
}
