//! What fields, message types and values are called.

use std::collections::HashMap;
use std::path::Path;

use fixwire::fix::RejectReason;
use fixwire::fix::tags;
use roxmltree::{Document, Node, ParsingOptions};

use super::super::failure::Failure;
use super::super::text_file::{self, Unreadable};
use super::known;

/// The most elements of a dictionary, as where sessions are held against one.
const NODES_MAX: u32 = 1_000_000;

/// Names by what they stand for.
#[derive(Default)]
pub(super) struct Names {
    fields: HashMap<u32, Field>,
    messages: HashMap<Vec<u8>, String>,
    tags: HashMap<String, u32>,
}

#[derive(Default)]
struct Field {
    name: String,
    meanings: HashMap<Vec<u8>, String>,
}

impl Names {
    /// The built-in names, and over them those of QuickFIX's dictionaries in these files.
    pub(super) fn read(dictionaries: &[impl AsRef<Path>]) -> Result<Names, Failure> {
        let mut names = Names::built_in();
        for path in dictionaries {
            names.add(path.as_ref())?;
        }
        Ok(names)
    }

    fn built_in() -> Names {
        let mut names = Names::default();
        let of_header = (1..2_000).filter_map(|tag| Some((tag, tags::name(tag)?)));
        for (tag, name) in of_header.chain(known::FIELDS) {
            names.name_field(tag, name);
        }
        for (tag, meanings) in known::VALUES {
            for (value, meaning) in meanings {
                names.mean(tag, value, meaning);
            }
        }
        for reason in RejectReason::ALL {
            let meaning = reason.name().trim_start_matches("reject_").to_uppercase();
            names.mean(tags::SESSION_REJECT_REASON, &reason.code().to_string(), &meaning);
        }
        for (msg_type, name) in known::MESSAGES {
            names.messages.insert(msg_type.into(), name.into());
        }
        names
    }

    fn name_field(&mut self, tag: u32, name: &str) {
        self.fields.entry(tag).or_default().name = name.into();
        self.tags.insert(name.to_lowercase(), tag);
    }

    fn mean(&mut self, tag: u32, value: &str, meaning: &str) {
        self.fields.entry(tag).or_default().meanings.insert(value.into(), meaning.into());
    }

    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        let shown = path.display();
        let text = text_file::read_dictionary(path).map_err(|Unreadable { why, remedy }| {
            Failure::Input(format!("the dictionary {shown} cannot be read: {why}; {remedy}"))
        })?;
        let options = ParsingOptions { nodes_limit: NODES_MAX, ..Default::default() };
        let document = Document::parse_with_options(&text, options).map_err(|error| {
            Failure::Input(format!(
                "{shown}:{}: this is no XML: {error}; name a data dictionary of QuickFIX's",
                error.pos().row
            ))
        })?;
        let root = document.root_element();
        let (mut fields, mut messages) = (0, 0);
        for field in children(root, "fields") {
            let tag = field.attribute("number").and_then(|number| number.parse().ok());
            let (Some(tag), Some(name)) = (tag, field.attribute("name")) else { continue };
            fields += 1;
            self.name_field(tag, name);
            for value in field.children().filter(|child| child.has_tag_name("value")) {
                if let (Some(of), Some(meaning)) =
                    (value.attribute("enum"), value.attribute("description"))
                {
                    self.mean(tag, of, meaning);
                }
            }
        }
        for message in children(root, "messages") {
            if let (Some(name), Some(msg_type)) =
                (message.attribute("name"), message.attribute("msgtype"))
            {
                messages += 1;
                self.messages.insert(msg_type.into(), name.into());
            }
        }
        if fields + messages == 0 {
            return Err(Failure::Input(format!(
                "{shown} names no field and no message; name a data dictionary of QuickFIX's, which is \
                 <fix> with the sections <fields> and <messages>"
            )));
        }
        Ok(())
    }

    /// What a field is called.
    pub(super) fn field(&self, tag: u32) -> Option<&str> {
        let name = &self.fields.get(&tag)?.name;
        (!name.is_empty()).then_some(name)
    }

    /// What a value of a field means.
    pub(super) fn meaning(&self, tag: u32, value: &[u8]) -> Option<&str> {
        if tag == tags::MSG_TYPE {
            return self.message(value);
        }
        Some(self.fields.get(&tag)?.meanings.get(value)?)
    }

    /// What a message type is called.
    pub(super) fn message(&self, msg_type: &[u8]) -> Option<&str> {
        self.messages.get(msg_type).map(String::as_str)
    }

    /// The tag of a field that is written as a number or a name.
    pub(super) fn tag(&self, written: &str) -> Option<u32> {
        written.parse().ok().or_else(|| self.tags.get(&written.to_lowercase()).copied())
    }

    /// The message type that is written as its value or its name.
    pub(super) fn msg_type(&self, written: &str) -> Option<Vec<u8>> {
        if self.messages.contains_key(written.as_bytes()) {
            return Some(written.into());
        }
        let named = self.messages.iter().find(|(_, name)| name.eq_ignore_ascii_case(written));
        named.map(|(msg_type, _)| msg_type.clone())
    }
}

fn children<'a, 'b>(
    root: Node<'a, 'b>,
    section: &'static str,
) -> impl Iterator<Item = Node<'a, 'b>> {
    let sections = root.children().filter(move |child| child.has_tag_name(section));
    sections.flat_map(|section| section.children().filter(Node::is_element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_s_names_stand_over_the_built_in_ones() {
        let none: [&Path; 0] = [];
        let names = Names::read(&none).unwrap();
        assert_eq!((names.field(11), names.field(54)), (Some("ClOrdID"), Some("Side")));
        assert_eq!(
            (names.meaning(54, b"2"), names.meaning(35, b"8")),
            (Some("SELL"), Some("ExecutionReport"))
        );
        assert_eq!(names.meaning(373, b"1"), Some("REQUIRED_TAG_MISSING"));
        assert_eq!(
            (names.field(9_001), names.tag("9001"), names.tag("Venue")),
            (None, Some(9_001), None)
        );
        assert_eq!(names.msg_type("logon"), Some(b"A".to_vec()));

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.xml");
        let text = "<fix major='4' minor='4'><messages><message name='Auction' msgtype='U1'/></messages>\
                    <fields><field number='9001' name='Venue' type='CHAR'><value enum='X' description='XETRA'/>\
                    </field></fields></fix>";
        std::fs::write(&path, text).unwrap();
        let names = Names::read(&[&path]).unwrap();
        assert_eq!((names.field(9_001), names.tag("venue")), (Some("Venue"), Some(9_001)));
        assert_eq!(
            (names.meaning(9_001, b"X"), names.message(b"U1")),
            (Some("XETRA"), Some("Auction"))
        );
        assert_eq!(names.field(11), Some("ClOrdID"));

        for (text, words) in [("<fix>", "d.xml:1: this is no XML"), ("<fix/>", "names no field")] {
            std::fs::write(&path, text).unwrap();
            let said = Names::read(&[&path]).err().unwrap().to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn every_built_in_field_has_one_name() {
        for (tag, name) in known::FIELDS {
            assert_eq!(tags::name(tag), None, "{name} is named twice");
        }
    }
}
