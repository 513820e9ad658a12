//! Segments as scripts write them: those that come, made of words; those that leave, put into words.

use fixwire::tcp::Transmit;
use fixwire::wire::tcp::{Flags, SeqNumber};

/// The letters of the flags, in the order in which they are written.
const LETTERS: [(char, Flags); 8] = [
    ('F', Flags::FIN),
    ('S', Flags::SYN),
    ('R', Flags::RST),
    ('P', Flags::PSH),
    ('U', Flags::URG),
    ('.', Flags::ACK),
    ('E', Flags::ECE),
    ('W', Flags::CWR),
];

/// A segment that comes. Numbers are relative to each side's SYN.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    pub(crate) flags: Flags,
    pub(crate) seq: i64,
    pub(crate) len: u32,
    pub(crate) ack: Option<i64>,
    pub(crate) window: u16,
    pub(crate) mss: Option<u16>,
    pub(crate) scale: Option<u8>,
    pub(crate) stamps: Option<Stamps>,
    pub(crate) permits_sack: bool,
    pub(crate) sack: Vec<(i64, i64)>,
    /// In seconds.
    pub(crate) user_timeout: Option<u32>,
    /// In place of all other options.
    pub(crate) options: Option<Vec<u8>>,
    pub(crate) is_marked: bool,
    pub(crate) refused: Option<String>,
}

/// The timestamps of a segment that comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    pub(crate) value: u32,
    pub(crate) echo: Echo,
}

/// What they echo.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Echo {
    /// This number.
    Value(u32),
    /// What our clock told at so many ms.
    OursAt(u32),
}

/// What must leave: what is named of it, and what it must not have.
#[derive(Debug)]
pub(crate) struct Wanted {
    text: String,
    flags: String,
    span: String,
    fields: Vec<(String, String)>,
    absent: Vec<String>,
}

/// A segment that has left, in words.
#[derive(Debug)]
pub(crate) struct Seen {
    flags: String,
    span: String,
    fields: Vec<(&'static str, String)>,
}

impl Coming {
    pub(crate) fn parse(words: &[&str]) -> Result<Coming, String> {
        let [flags, span, fields @ ..] = words else {
            return Err("flags and numbers are missing".into());
        };
        let (seq, len) = parse_span(span)?;
        let mut coming =
            Coming { flags: parse_flags(flags)?, seq, len, window: 10_000, ..Coming::default() };
        let mut fields = fields.iter().copied();
        while let Some(name) = fields.next() {
            coming.take(name, &mut fields)?;
        }
        Ok(coming)
    }

    fn take<'a>(
        &mut self,
        name: &str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), String> {
        let mut value = || rest.next().ok_or(format!("`{name}` wants a value"));
        match name {
            "ack" => self.ack = Some(number(name, value()?)?),
            "win" => self.window = number(name, value()?)?,
            "mss" => self.mss = Some(number(name, value()?)?),
            "scale" => self.scale = Some(number(name, value()?)?),
            "ts" => {
                let (value, echo) = (number(name, value()?)?, number(name, value()?)?);
                self.stamps = Some(Stamps { value, echo: Echo::Value(echo) });
            }
            "tsat" => {
                let (value, at) = (number(name, value()?)?, number(name, value()?)?);
                self.stamps = Some(Stamps { value, echo: Echo::OursAt(at) });
            }
            "sack" => self.sack = parse_blocks(value()?)?,
            "sackOK" => self.permits_sack = true,
            "uto" => self.user_timeout = Some(number(name, value()?)?),
            "ce" => self.is_marked = true,
            "options" => self.options = Some(parse_hex(value()?)?),
            "refused" => self.refused = Some(value()?.to_owned()),
            _ => return Err(format!("`{name}` is no field of a segment that comes")),
        }
        Ok(())
    }
}

impl Wanted {
    const VALUED: [&str; 8] = ["ack", "win", "mss", "scale", "stamp", "echo", "sack", "uto"];
    const BARE: [&str; 3] = ["sackOK", "ect", "again"];
    /// Whether these are there is always compared.
    const ALWAYS: [&str; 3] = ["ack", "sack", "uto"];

    pub(crate) fn parse(words: &[&str]) -> Result<Wanted, String> {
        let [flags, span, rest @ ..] = words else {
            return Err("flags and numbers are missing".into());
        };
        parse_flags(flags)?;
        if *span != "*" {
            parse_span(span)?;
        }
        let mut wanted = Wanted {
            text: words.join(" "),
            flags: (*flags).to_owned(),
            span: (*span).to_owned(),
            fields: Vec::new(),
            absent: Vec::new(),
        };
        let mut rest = rest.iter();
        while let Some(&name) = rest.next() {
            let mut value = || rest.next().ok_or(format!("`{name}` wants a value"));
            if name == "no" {
                wanted.absent.push((*value()?).to_owned());
            } else if Wanted::VALUED.contains(&name) {
                wanted.fields.push((name.to_owned(), (*value()?).to_owned()));
            } else if Wanted::BARE.contains(&name) {
                wanted.fields.push((name.to_owned(), String::new()));
            } else {
                return Err(format!("`{name}` is no field of a segment that leaves"));
            }
        }
        Ok(wanted)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether `seen` is what was wanted.
    pub(crate) fn is_met_by(&self, seen: &Seen) -> bool {
        let has = |name: &str| seen.fields.iter().any(|field| field.0 == name);
        let wants = |name: &str| self.fields.iter().any(|field| field.0 == name);
        self.flags == seen.flags
            && (self.span == "*" || self.span == seen.span)
            && self.fields.iter().all(|(name, value)| {
                seen.fields.iter().any(|field| field.0 == name && field.1 == *value)
            })
            && !self.absent.iter().any(|name| has(name))
            && Wanted::ALWAYS.iter().all(|name| has(name) == wants(name))
    }
}

impl Seen {
    /// What left, its numbers relative to `ours` and `theirs`, its timestamp to `clock`.
    pub(crate) fn of(
        transmit: &Transmit<'_>,
        ours: SeqNumber,
        theirs: SeqNumber,
        clock: u32,
    ) -> Seen {
        let header = &transmit.header;
        let flags = LETTERS.iter().filter(|(_, flag)| header.flags.has(*flag));
        let seq = header.seq.since(ours);
        let len = transmit.payload.iter().map(|run| run.len()).sum::<usize>();
        let mut fields = Vec::new();
        if header.flags.has(Flags::ACK) {
            fields.push(("ack", header.ack.since(theirs).to_string()));
        }
        fields.push(("win", header.window.to_string()));
        let options = &header.options;
        fields.extend(options.mss.map(|mss| ("mss", mss.to_string())));
        fields.extend(options.window_scale.map(|scale| ("scale", scale.to_string())));
        if let Some(stamps) = options.timestamps {
            fields.push(("stamp", stamps.value.wrapping_sub(clock).to_string()));
            fields.push(("echo", stamps.echo.to_string()));
        }
        if let Some(sack) = options.sack {
            let number = |at: SeqNumber| at.since(theirs);
            let blocks = sack.blocks().iter();
            let blocks: Vec<String> = blocks
                .map(|(left, right)| format!("{}:{}", number(*left), number(*right)))
                .collect();
            fields.push(("sack", blocks.join(",")));
        }
        if let Some(timeout) = options.user_timeout {
            fields.push(("uto", (timeout.duration().as_ms() / 1000).to_string()));
        }
        let bare = [
            ("sackOK", options.sack_permitted),
            ("ect", transmit.is_ect),
            ("again", transmit.retransmission),
        ];
        fields.extend(bare.iter().filter(|(_, is)| *is).map(|(name, _)| (*name, String::new())));
        Seen {
            flags: flags.map(|(letter, _)| letter).collect(),
            span: format!("{seq}:{}({len})", seq.wrapping_add(len as u32)),
            fields,
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.flags, self.span)?;
        for (name, value) in &self.fields {
            write!(f, " {name}")?;
            if !value.is_empty() {
                write!(f, " {value}")?;
            }
        }
        Ok(())
    }
}

fn parse_flags(word: &str) -> Result<Flags, String> {
    if word == "-" {
        return Ok(Flags::NONE);
    }
    word.chars().try_fold(Flags::NONE, |flags, letter| {
        let found = LETTERS.iter().find(|(known, _)| *known == letter);
        let (_, flag) = found.ok_or(format!("`{letter}` is no flag"))?;
        Ok(flags.with(*flag))
    })
}

/// Reads `SEQ:END(LEN)`.
fn parse_span(word: &str) -> Result<(i64, u32), String> {
    let wrong = || format!("`{word}` is not SEQ:END(LEN)");
    let (seq, rest) = word.split_once(':').ok_or_else(wrong)?;
    let (end, len) = rest.split_once('(').ok_or_else(wrong)?;
    let len = len.strip_suffix(')').ok_or_else(wrong)?;
    let seq = seq.parse::<i64>().map_err(|_| wrong())?;
    let end = end.parse::<i64>().map_err(|_| wrong())?;
    let len = len.parse::<u32>().map_err(|_| wrong())?;
    if end - seq != i64::from(len) {
        return Err(format!("`{word}` does not add up"));
    }
    Ok((seq, len))
}

/// Reads `L:R,L:R`.
fn parse_blocks(word: &str) -> Result<Vec<(i64, i64)>, String> {
    let block = |block: &str| {
        let (left, right) = block.split_once(':')?;
        Some((left.parse().ok()?, right.parse().ok()?))
    };
    word.split(',').map(|text| block(text).ok_or(format!("`{text}` is not L:R"))).collect()
}

/// Reads bytes, two digits each.
pub(crate) fn parse_hex(word: &str) -> Result<Vec<u8>, String> {
    let digits = word.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = digits.chunks(2).map(|pair| if pair.len() == 2 { byte(pair) } else { None });
    bytes.collect::<Option<Vec<u8>>>().ok_or(format!("`{word}` are no bytes"))
}

/// Reads a number for `name`; one that wraps may be given as what it wraps from.
fn number<T: TryFrom<i64> + Wrapping>(name: &str, word: &str) -> Result<T, String> {
    let number = word.parse::<i64>().ok();
    let wrong = || format!("`{word}` is no number for {name}");
    number.and_then(|number| T::try_from(T::wrap(number)).ok()).ok_or_else(wrong)
}

trait Wrapping {
    fn wrap(number: i64) -> i64 {
        number
    }
}

impl Wrapping for i64 {}
impl Wrapping for u16 {}
impl Wrapping for u8 {}
impl Wrapping for u32 {
    fn wrap(number: i64) -> i64 {
        if number < 0 { number + (1 << 32) } else { number }
    }
}
