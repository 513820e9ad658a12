//! Messages as people and machines read them.

use std::fmt::Write;

use fixwire::fix::frame::SOH;
use fixwire::fix::tags;
use serde_json::{Map, Value, json};

use super::names::Names;
use super::record::{Place, Record};

/// How a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// On a line, fields by name.
    Line,
    /// A field a line.
    Fields,
    /// As it is, `|` for SOH.
    Raw,
    /// A JSON object a line.
    Json,
}

/// What is said in front of a message, and not again among its fields.
const IN_FRONT: [u32; 7] = [
    tags::BEGIN_STRING,
    tags::BODY_LENGTH,
    tags::CHECK_SUM,
    tags::MSG_TYPE,
    tags::MSG_SEQ_NUM,
    tags::SENDER_COMP_ID,
    tags::TARGET_COMP_ID,
];

/// Colours of a terminal (ECMA-48 8.3.117), or none.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    const DIM: &str = "2";
    const BOLD: &str = "1";
    const NAME: &str = "36";
    const MEANING: &str = "32";
    const DAMAGE: &str = "1;31";

    fn put(self, out: &mut String, colour: &str, text: &str) {
        // To a string nothing fails.
        let _ =
            if self.0 { write!(out, "\x1b[{colour}m{text}\x1b[0m") } else { write!(out, "{text}") };
    }
}

/// Shows messages.
pub(super) struct Show<'n> {
    pub(super) names: &'n Names,
    pub(super) style: Style,
    pub(super) paint: Paint,
}

impl Show<'_> {
    /// A message as lines, the last of which is not ended.
    pub(super) fn text(&self, record: &Record<'_>) -> String {
        if self.style == Style::Json {
            return self.json(record).to_string();
        }
        let mut out = String::new();
        if let Some(time) = &record.time {
            self.paint.put(&mut out, Paint::DIM, time);
            out.push(' ');
        }
        if let Some(way) = record.way {
            let _ = write!(out, "{:<3} ", way.name());
        }
        if let Some(ends) = record.ends {
            self.paint.put(&mut out, Paint::DIM, &format!("{} > {} ", ends.from, ends.to));
        }
        match self.style {
            _ if record.bytes.is_empty() => {}
            Style::Raw => out += &printable_raw(record.bytes),
            Style::Fields => {
                self.heading(record, &mut out);
                self.paint.put(&mut out, Paint::DIM, &format!("  {}", place(record)));
                self.field_lines(record, &mut out);
            }
            Style::Line | Style::Json => {
                self.heading(record, &mut out);
                self.inline_fields(record, &mut out);
            }
        }
        self.damage(record, &mut out);
        out
    }

    /// What it is, its number, and between whom.
    fn heading(&self, record: &Record<'_>, out: &mut String) {
        let of = |tag| record.field(tag).map_or("?".into(), printable);
        let msg_type = record.field(tags::MSG_TYPE);
        let name = msg_type.and_then(|msg_type| self.names.message(msg_type));
        let begin_string = of(tags::BEGIN_STRING);
        let (sender, target) = (of(tags::SENDER_COMP_ID), of(tags::TARGET_COMP_ID));
        let _ = write!(out, "{begin_string} {sender}>{target} #{} ", of(tags::MSG_SEQ_NUM));
        match name {
            Some(name) => {
                self.paint.put(out, Paint::BOLD, &format!("{name}({})", of(tags::MSG_TYPE)));
            }
            None => self.paint.put(out, Paint::BOLD, &format!("MsgType {}", of(tags::MSG_TYPE))),
        }
    }

    fn inline_fields(&self, record: &Record<'_>, out: &mut String) {
        for (tag, value) in record.fields().filter(|(tag, _)| !IN_FRONT.contains(tag)) {
            self.paint.put(out, Paint::DIM, " | ");
            if tag == 0 {
                self.paint.put(out, Paint::DAMAGE, &printable(value));
                continue;
            }
            match self.names.field(tag) {
                Some(name) => self.paint.put(out, Paint::NAME, &format!("{name}({tag})")),
                None => self.paint.put(out, Paint::NAME, &tag.to_string()),
            }
            let _ = write!(out, "={}", printable(value));
            if let Some(meaning) = self.names.meaning(tag, value) {
                out.push(' ');
                self.paint.put(out, Paint::MEANING, meaning);
            }
        }
    }

    fn field_lines(&self, record: &Record<'_>, out: &mut String) {
        let width = record.fields().filter_map(|(tag, _)| self.names.field(tag)).map(str::len);
        let width = width.max().unwrap_or(0);
        for (tag, value) in record.fields() {
            let name = self.names.field(tag).unwrap_or("");
            let _ = write!(out, "\n  {tag:>6} ");
            self.paint.put(out, Paint::NAME, &format!("{name:<width$}"));
            let _ = write!(out, "  {}", printable(value));
            if tag == 0 {
                out.push(' ');
                self.paint.put(out, Paint::DAMAGE, "is no field: TAG=VALUE");
            }
            if let Some(meaning) = self.names.meaning(tag, value) {
                out.push_str("  ");
                self.paint.put(out, Paint::MEANING, meaning);
            }
        }
    }

    /// What is wrong, and where.
    fn damage(&self, record: &Record<'_>, out: &mut String) {
        if record.damage.is_empty() {
            return;
        }
        let said: Vec<_> = record.damage.iter().map(ToString::to_string).collect();
        let words = format!("!! {}: {}", place(record), said.join("; "));
        if self.style == Style::Fields && !record.bytes.is_empty() {
            out.push_str("\n  ");
        } else if !record.bytes.is_empty() {
            out.push(' ');
        }
        self.paint.put(out, Paint::DAMAGE, &words);
    }

    fn json(&self, record: &Record<'_>) -> Value {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let of = |tag| record.field(tag).map(text);
        let field = |(tag, value): (u32, &[u8])| {
            let mut field = Map::new();
            field.insert("tag".into(), tag.into());
            field.insert("name".into(), self.names.field(tag).into());
            field.insert("value".into(), text(value).into());
            if let Some(meaning) = self.names.meaning(tag, value) {
                field.insert("meaning".into(), meaning.into());
            }
            Value::Object(field)
        };
        let damage =
            |of: &super::scan::Damage| json!({ "reason": of.name(), "why": of.to_string() });
        let mut object = Map::new();
        object.insert("file".into(), record.file.into());
        match record.place {
            Place::Text { offset, line } => {
                object.insert("offset".into(), offset.into());
                object.insert("line".into(), line.into());
            }
            Place::Packet(number) => {
                object.insert("packet".into(), number.into());
            }
        }
        object.insert("time".into(), record.time.clone().into());
        object.insert("direction".into(), record.way.map(|way| way.name()).into());
        if let Some(ends) = record.ends {
            object.insert("from".into(), ends.from.to_string().into());
            object.insert("to".into(), ends.to.to_string().into());
        }
        let msg_type = record.field(tags::MSG_TYPE);
        let name = msg_type.and_then(|msg_type| self.names.message(msg_type));
        object.insert("begin_string".into(), of(tags::BEGIN_STRING).into());
        object.insert("sender_comp_id".into(), of(tags::SENDER_COMP_ID).into());
        object.insert("target_comp_id".into(), of(tags::TARGET_COMP_ID).into());
        object.insert("msg_type".into(), of(tags::MSG_TYPE).into());
        object.insert("msg_name".into(), name.into());
        let number = of(tags::MSG_SEQ_NUM).and_then(|number| number.parse::<u64>().ok());
        object.insert("msg_seq_num".into(), number.into());
        object.insert("fields".into(), record.fields().map(field).collect());
        object.insert("damage".into(), record.damage.iter().map(damage).collect());
        Value::Object(object)
    }
}

fn place(record: &Record<'_>) -> String {
    match record.place {
        Place::Text { offset, line } => format!("{}:{line}, byte {offset}", record.file),
        Place::Packet(number) => format!("{}, packet {number}", record.file),
    }
}

/// Bytes as text that does to a terminal nothing but to stand there.
fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for char in String::from_utf8_lossy(bytes).chars() {
        match char {
            '\x01' => out.push_str("<SOH>"),
            char if char.is_control() => out.extend(char.escape_default()),
            char => out.push(char),
        }
    }
    out
}

fn printable_raw(bytes: &[u8]) -> String {
    let fields = bytes.split(|byte| *byte == SOH);
    fields.map(printable).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::super::packets::Way;
    use super::super::scan::Damage;
    use super::*;

    fn shown(style: Style, colour: bool, damage: &[Damage]) -> String {
        let none: [&str; 0] = [];
        let names = Names::read(&none).unwrap();
        let bytes = "8=FIX.4.4|9=5|35=D|34=7|49=US|56=THEM|52=20261127-08:00:00|11=a\x1b[2J|54=1|9001=x|bad|10=000|";
        let bytes = bytes.replace('|', "\x01");
        let record = Record {
            file: "f.log",
            place: Place::Text { offset: 31, line: 2 },
            time: Some("20261127-08:00:00.123".into()),
            way: Some(Way::Out),
            ends: None,
            bytes: bytes.as_bytes(),
            damage,
        };
        Show { names: &names, style, paint: Paint(colour) }.text(&record)
    }

    #[test]
    fn a_line_has_who_and_what_in_front_and_the_fields_by_name() {
        assert_eq!(
            shown(Style::Line, false, &[]),
            "20261127-08:00:00.123 out FIX.4.4 US>THEM #7 NewOrderSingle(D) | SendingTime(52)=20261127-08:00:00 \
             | ClOrdID(11)=a\\u{1b}[2J | Side(54)=1 BUY | 9001=x | bad"
        );
        let coloured = shown(Style::Line, true, &[Damage::CheckSumMissing]);
        assert!(coloured.contains("\x1b[36mSide(54)\x1b[0m=1 \x1b[32mBUY\x1b[0m"), "{coloured:?}");
        assert!(
            coloured
                .ends_with("\x1b[1;31m!! f.log:2, byte 31: it ends without a CheckSum(10)\x1b[0m")
        );
        assert!(!coloured.contains("\x1b[2J"));
    }

    #[test]
    fn a_field_a_line_has_tag_name_value_and_meaning() {
        let text = shown(Style::Fields, false, &[Damage::CheckSumMissing]);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("#7 NewOrderSingle(D)  f.log:2, byte 31"), "{text}");
        assert_eq!(lines[9], "      54 Side          1  BUY");
        assert_eq!(lines[11], "       0               bad is no field: TAG=VALUE");
        assert_eq!(lines[13], "  !! f.log:2, byte 31: it ends without a CheckSum(10)");
        assert!(
            shown(Style::Raw, false, &[])
                .starts_with("20261127-08:00:00.123 out 8=FIX.4.4|9=5|35=D|")
        );
    }

    #[test]
    fn json_has_everything() {
        let value: Value =
            serde_json::from_str(&shown(Style::Json, true, &[Damage::NotFix(3)])).unwrap();
        assert_eq!(
            (&value["msg_name"], &value["msg_seq_num"]),
            (&json!("NewOrderSingle"), &json!(7))
        );
        assert_eq!(
            value["fields"][8],
            json!({ "tag": 54, "name": "Side", "value": "1", "meaning": "BUY" })
        );
        assert_eq!((&value["damage"][0]["reason"], &value["line"]), (&json!("not_fix"), &json!(2)));
        assert_eq!(value["direction"], "out");
    }
}
