//! The terminal: taken over, drawn on, asked for keys, and given back whatever happens.

use std::io;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::view::{Look, View, draw};

/// How long a key is waited for before answers are looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// Lines that a page key scrolls by.
const PAGE: usize = 10;

/// The whole terminal, ours until this is dropped. A panic gives it back before it is told, by the hook that ratatui sets.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    is_ours: bool,
}

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Draw,
    Quit,
}

impl Screen {
    pub(super) fn begin() -> io::Result<Screen> {
        Ok(Screen { terminal: ratatui::try_init()?, is_ours: true })
    }

    pub(super) fn show(&mut self, view: &View, look: &mut Look) -> io::Result<()> {
        self.terminal.draw(|frame| draw(frame, view, look)).map(drop)
    }

    /// Waits a moment for a key or another size.
    pub(super) fn next(&mut self, look: &mut Look) -> io::Result<Act> {
        if !event::poll(GLANCE)? {
            return Ok(Act::Nothing);
        }
        Ok(match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Release => Act::Nothing,
            Event::Key(key) if key.modifiers.contains(KeyModifiers::CONTROL) => match key.code {
                KeyCode::Char('c') => Act::Quit,
                _ => Act::Nothing,
            },
            Event::Key(key) => on_key(key.code, look),
            Event::Resize(..) => Act::Draw,
            _ => Act::Nothing,
        })
    }

    /// Gives it back.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.is_ours = false;
        ratatui::try_restore()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_ours && !std::thread::panicking() {
            // There is nobody left to tell.
            let _ = ratatui::try_restore();
        }
    }
}

fn on_key(key: KeyCode, look: &mut Look) -> Act {
    match key {
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => return Act::Quit,
        KeyCode::Char('0') => (look.part, look.above) = (None, 0),
        KeyCode::Char(digit @ '1'..='6') => {
            (look.part, look.above) = (Some(digit as usize - '1' as usize), 0);
        }
        KeyCode::Up | KeyCode::Char('k') => look.above = look.above.saturating_sub(1),
        KeyCode::Down | KeyCode::Char('j') => look.above = look.above.saturating_add(1),
        KeyCode::PageUp => look.above = look.above.saturating_sub(PAGE),
        KeyCode::PageDown => look.above = look.above.saturating_add(PAGE),
        KeyCode::Home => look.above = 0,
        _ => return Act::Nothing,
    }
    Act::Draw
}

#[cfg(test)]
mod tests {
    use super::super::view::Theme;
    use super::*;

    #[test]
    fn a_key_does_what_the_help_says() {
        let mut look = Look::new(Theme::Plain);
        for (key, act, part, above) in [
            (KeyCode::Char('6'), Act::Draw, Some(5), 0),
            (KeyCode::Down, Act::Draw, Some(5), 1),
            (KeyCode::PageDown, Act::Draw, Some(5), 11),
            (KeyCode::Up, Act::Draw, Some(5), 10),
            (KeyCode::Char('7'), Act::Nothing, Some(5), 10),
            (KeyCode::Char('2'), Act::Draw, Some(1), 0),
            (KeyCode::PageUp, Act::Draw, Some(1), 0),
            (KeyCode::Char('0'), Act::Draw, None, 0),
            (KeyCode::Char('q'), Act::Quit, None, 0),
            (KeyCode::Esc, Act::Quit, None, 0),
        ] {
            assert_eq!(
                (on_key(key, &mut look), look.part, look.above),
                (act, part, above),
                "{key:?}"
            );
        }
    }
}
