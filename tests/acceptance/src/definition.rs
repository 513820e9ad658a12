//! A definition: what a counterparty does and what it is to see, a line each.
//!
//! `iCONNECT`, `iDISCONNECT`, `eDISCONNECT`, `I` and a message to send, `E` and one to expect; a digit
//! and a comma behind the letter name a connection. `#` begins a comment.

/// One line that does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its number in the file, from 1.
    pub(crate) line: usize,
    /// Which connection it is about.
    pub(crate) connection: u8,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Connect,
    Disconnect,
    ExpectDisconnect,
    Send(Vec<u8>),
    Expect(Vec<u8>),
}

/// Reads a definition.
///
/// # Errors
/// The line that is none, and what it says.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() || line.starts_with(b"#") {
            continue;
        }
        let (connection, rest) = match line[1..] {
            [digit @ b'0'..=b'9', b',', ref rest @ ..] => (digit - b'0', rest),
            ref rest => (1, rest),
        };
        let action = match (line[0], rest.trim_ascii_end()) {
            (b'i', b"CONNECT") => Action::Connect,
            (b'i', b"DISCONNECT") => Action::Disconnect,
            (b'e', b"DISCONNECT") => Action::ExpectDisconnect,
            (b'I', message) => Action::Send(message.to_vec()),
            (b'E', message) => Action::Expect(message.to_vec()),
            _ => return Err(format!("line {}: {}", index + 1, line.escape_ascii())),
        };
        steps.push(Step { line: index + 1, connection, action });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_step_with_its_connection() {
        let text = b"# says what\n\niCONNECT\ni2,CONNECT\r\nI2,8=X\x01\nE8=Y\x01\ne2,DISCONNECT\niDISCONNECT";
        let steps = parse(text).unwrap();
        let found: Vec<_> =
            steps.into_iter().map(|step| (step.line, step.connection, step.action)).collect();
        assert_eq!(
            found,
            [
                (3, 1, Action::Connect),
                (4, 2, Action::Connect),
                (5, 2, Action::Send(b"8=X\x01".to_vec())),
                (6, 1, Action::Expect(b"8=Y\x01".to_vec())),
                (7, 2, Action::ExpectDisconnect),
                (8, 1, Action::Disconnect),
            ]
        );
    }

    #[test]
    fn what_is_no_step_is_told_with_its_line() {
        assert_eq!(parse(b"iCONNECT\nwhat\n"), Err("line 2: what".into()));
    }
}
