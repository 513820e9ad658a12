//! The slow, obvious twin.

use std::collections::BTreeSet;

use super::*;

/// What the twin finds in a message of that type, whose fields behind the header these are.
pub(super) fn by_twin(
    spec: &Spec,
    checks: Checks,
    msg_type: &str,
    rest: &str,
) -> Option<(R, Option<u32>)> {
    let bytes = sealed("FIX.4.4", &format!("35={msg_type}|{HEADER}{rest}"));
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).unwrap();
    let fields: Vec<_> = message.fields().collect();
    let is_session = msg_type == "0";
    let twin = Twin { spec, checks, is_session, fields: &fields, at: 0 };
    let of_type = |message: &&MessageSpec| message.msg_type == msg_type.as_bytes();
    twin.message(&spec.messages.iter().find(of_type).unwrap().parts)
        .err()
        .map(|(reason, tag)| (reason, Some(tag)))
}

/// The twin: no tables, no bits, every list searched. Values are the data types' own tests' matter.
struct Twin<'a> {
    spec: &'a Spec,
    checks: Checks,
    is_session: bool,
    fields: &'a [(u32, &'a [u8])],
    at: usize,
}

type Found = Result<(), (R, u32)>;

impl Twin<'_> {
    fn message(mut self, parts: &[Part]) -> Found {
        let sections = [&self.spec.header[..], parts, &self.spec.trailer[..]];
        let section_of = |tag| {
            [0, 2, 1]
                .into_iter()
                .find(|at: &usize| sections[*at].iter().any(|part| part.tag == tag))
        };
        let required = || {
            [0, 2, 1].into_iter().flat_map(|at: usize| {
                let required = sections[at].iter().filter(|part| part.required);
                required.map(|part| part.tag).collect::<BTreeSet<u32>>()
            })
        };
        let all = self.fields;
        if let Some(tag) = required().find(|tag| all.iter().all(|(known, _)| known != tag)) {
            return Err((R::RequiredTagMissing, tag));
        }
        let (mut seen, mut section) = (BTreeSet::new(), 0);
        while self.at < self.fields.len() {
            let (tag, text) = self.fields[self.at];
            self.at += 1;
            let Some(own) = section_of(tag) else {
                section = section.max(1);
                self.stranger(tag, text)?;
                continue;
            };
            if !seen.insert(tag) {
                return Err((R::TagRepeated, tag));
            }
            if own < section && self.checks.fields_out_of_order {
                return Err((R::TagOutOfOrder, tag));
            }
            section = section.max(own);
            self.value(tag, text)?;
            let part = sections[own].iter().find(|part| part.tag == tag).unwrap();
            if let Some(body) = &part.group {
                self.group(tag, text, body)?;
            }
        }
        match required().find(|tag| !seen.contains(tag)) {
            Some(tag) => Err((R::RequiredTagMissing, tag)),
            None => Ok(()),
        }
    }

    fn group(&mut self, counter: u32, count: &[u8], body: &[Part]) -> Found {
        let mut entries: Vec<Vec<u32>> = Vec::new();
        let mut within = Ok(());
        while self.at < self.fields.len() {
            let (tag, text) = self.fields[self.at];
            let Some(place) = body.iter().position(|part| part.tag == tag) else {
                if self.is_refused(tag) || self.is_defined(tag) {
                    break;
                }
                self.at += 1;
                continue;
            };
            if place == 0 {
                entries.last().map_or(Ok(()), |entry| complete(body, entry))?;
                entries.push(Vec::new());
            }
            let Some(entry) = entries.last_mut() else {
                let first = body[0].tag;
                let comes_late = self.fields[self.at..].iter().any(|(other, _)| *other == first);
                return Err(match comes_late {
                    true => (R::GroupOutOfOrder, tag),
                    false => (R::RequiredTagMissing, first),
                });
            };
            if entry.contains(&tag) {
                return Err((R::TagRepeated, tag));
            }
            let last = entry.last().map(|last| body.iter().position(|part| part.tag == *last));
            if last.flatten().is_some_and(|last| place < last) && self.checks.unordered_group_fields
            {
                return Err((R::GroupOutOfOrder, tag));
            }
            entry.push(tag);
            self.at += 1;
            within = within.and(self.value(tag, text));
            if let Some(nested) = &body[place].group {
                match self.group(tag, text, nested) {
                    Err((
                        reason @ (R::RequiredTagMissing | R::TagRepeated | R::GroupOutOfOrder),
                        tag,
                    )) => return Err((reason, tag)),
                    found => within = within.and(found),
                }
            }
        }
        entries.last().map_or(Ok(()), |entry| complete(body, entry))?;
        let count: usize = std::str::from_utf8(count).unwrap().parse().unwrap_or(0);
        if count == entries.len() { within } else { Err((R::GroupCountIncorrect, counter)) }
    }

    fn value(&self, tag: u32, text: &[u8]) -> Found {
        if text.is_empty() {
            let is_refused = self.checks.fields_have_values;
            return if is_refused { Err((R::TagWithoutValue, tag)) } else { Ok(()) };
        }
        let field = self.spec.fields.iter().find(|field| field.tag == tag).unwrap();
        if !field.kind.takes(text, 0..text.len(), &mut Default::default()) {
            return Err((R::DataFormatIncorrect, tag));
        }
        let words: Vec<&[u8]> = match field.kind {
            DataType::Multiple => text.split(|byte| *byte == b' ').collect(),
            _ => vec![text],
        };
        let is_known = |word: &&[u8]| field.values.iter().any(|value| value == word);
        let is_right = field.values.is_empty() || words.iter().all(is_known);
        if is_right { Ok(()) } else { Err((R::ValueIncorrect, tag)) }
    }

    fn stranger(&self, tag: u32, text: &[u8]) -> Found {
        let is_defined = self.is_defined(tag);
        if is_defined {
            self.value(tag, text)?;
        }
        match (self.is_refused(tag), is_defined) {
            (false, _) => Ok(()),
            (true, true) => Err((R::TagNotDefinedForType, tag)),
            (true, false) => Err((R::InvalidTagNumber, tag)),
        }
    }

    fn is_defined(&self, tag: u32) -> bool {
        let is_hidden = self.is_session && self.spec.application_fields.contains(&tag);
        !is_hidden && self.spec.fields.iter().any(|field| field.tag == tag)
    }

    fn is_refused(&self, tag: u32) -> bool {
        if tag >= 5000 {
            self.checks.user_defined_fields
        } else {
            !self.checks.allow_unknown_msg_fields
        }
    }
}

fn complete(body: &[Part], entry: &[u32]) -> Found {
    let lacking = body.iter().filter(|part| part.required && !entry.contains(&part.tag));
    lacking.map(|part| part.tag).min().map_or(Ok(()), |tag| Err((R::RequiredTagMissing, tag)))
}
