//! QuickFIX's XML form of a dictionary. What is refused is refused with its line; components are
//! resolved once each, so that no file makes more of them than it has elements.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use roxmltree::{Document, Node, ParsingOptions};

use super::{DataType, FieldSpec, MEMBERS_MAX, MessageSpec, Part, Spec};
use crate::fix::tags::TAG_MAX;

/// The largest file that is read, in bytes: several times that of FIX 5.0 SP2.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most elements, attributes' owners and texts of a file.
const NODES_MAX: u32 = 1_000_000;
/// How deep groups and components may stand in one another. The parser itself goes no deeper by recursion.
const DEPTH_MAX: usize = 32;
/// The longest MsgType, in bytes.
const MSG_TYPE_LEN_MAX: usize = 8;

/// Why a file is no dictionary: whose fault, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {what}; {remedy}")]
pub struct DictionaryError {
    /// The file.
    pub path: String,
    /// Where in it, from 1.
    pub line: u32,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Reads a dictionary out of `text`, which stands in the file `path`.
///
/// # Errors
/// [`DictionaryError`], with the line of the first mistake.
pub fn read_xml(path: &str, text: &str) -> Result<Spec, DictionaryError> {
    let error =
        |line, what: String, remedy| DictionaryError { path: path.into(), line, what, remedy };
    if text.len() > FILE_BYTES_MAX {
        let what = format!("the dictionary has more than {FILE_BYTES_MAX} bytes");
        return Err(error(1, what, "take out the messages that are not exchanged"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..Default::default() };
    let document = Document::parse_with_options(text, options).map_err(|found| {
        error(found.pos().row, format!("this is no XML that is read here: {found}"), XML_REMEDY)
    })?;
    Reader::new(path, &document)?.spec()
}

const XML_REMEDY: &str = "mend it there; a DTD and entities of one's own are not read";
const SECTION_REMEDY: &str = "write it: a dictionary is <fix major='4' minor='4'> with header, trailer, \
                              messages, components and fields";
const FIELD_REMEDY: &str = "define it in the section <fields>, or mend the name";

/// What became of a component.
#[derive(Clone)]
enum Resolved {
    /// It is being resolved: to come to it again is to come to it from within itself.
    Open,
    Done(Vec<Part>),
}

struct Reader<'a> {
    path: &'a str,
    document: &'a Document<'a>,
    root: Node<'a, 'a>,
    fields: Vec<FieldSpec>,
    /// Tags whose values are data of any bytes, and the lengths that were found before them.
    data: HashSet<u32>,
    data_fields: BTreeSet<(u32, u32)>,
    tags: HashMap<&'a str, u32>,
    components: HashMap<&'a str, Node<'a, 'a>>,
    resolved: HashMap<&'a str, Resolved>,
}

impl<'a> Reader<'a> {
    fn new(path: &'a str, document: &'a Document<'a>) -> Result<Reader<'a>, DictionaryError> {
        let root = document.root_element();
        let mut reader = Reader {
            path,
            document,
            root,
            fields: Vec::new(),
            data: HashSet::new(),
            data_fields: BTreeSet::new(),
            tags: HashMap::new(),
            components: HashMap::new(),
            resolved: HashMap::new(),
        };
        if !root.has_tag_name("fix") {
            let what = format!("the dictionary begins with <{}>", root.tag_name().name());
            return Err(reader.error(root, what, SECTION_REMEDY));
        }
        reader.read_fields()?;
        for component in reader.section("components").into_iter().flat_map(elements) {
            let name = reader.attribute(component, "name")?;
            reader.components.insert(name, component);
        }
        Ok(reader)
    }

    fn spec(mut self) -> Result<Spec, DictionaryError> {
        let begin_string = self.begin_string()?;
        // From FIX 5.0 on, FIXT has header and trailer.
        let has_header = !begin_string.starts_with("FIX.5");
        let header = self.frame_part("header", has_header)?;
        let trailer = self.frame_part("trailer", has_header)?;
        let mut messages: Vec<MessageSpec> = Vec::new();
        let section = self.required_section("messages")?;
        for node in elements(section) {
            let msg_type = self.attribute(node, "msgtype")?;
            if msg_type.is_empty() || msg_type.len() > MSG_TYPE_LEN_MAX {
                let what = format!("the msgtype {msg_type:?} is empty or too long");
                return Err(self.error(
                    node,
                    what,
                    "write what MsgType(35) has: up to 8 characters",
                ));
            }
            if messages.iter().any(|known| known.msg_type == msg_type.as_bytes()) {
                let what = format!("the msgtype {msg_type:?} comes twice");
                return Err(self.error(node, what, "delete one of the two"));
            }
            let parts = self.parts(node, 0)?;
            if parts.len() + header.len() + trailer.len() > MEMBERS_MAX {
                return Err(self.too_many(node));
            }
            let name = node.attribute("name").unwrap_or(msg_type).into();
            messages.push(MessageSpec { msg_type: msg_type.into(), name, parts });
        }
        let data_fields = self.data_fields.into_iter().collect();
        Ok(Spec {
            begin_string,
            header,
            trailer,
            messages,
            fields: self.fields,
            data_fields,
            application_fields: Vec::new(),
        })
    }

    fn begin_string(&self) -> Result<String, DictionaryError> {
        let kind = self.root.attribute("type").unwrap_or("FIX");
        if !matches!(kind, "FIX" | "FIXT") {
            let what = format!("the type of <fix> is {kind:?}");
            return Err(self.error(self.root, what, "write type='FIX' or type='FIXT'"));
        }
        let (major, minor) =
            (self.attribute(self.root, "major")?, self.attribute(self.root, "minor")?);
        Ok(format!("{kind}.{major}.{minor}"))
    }

    fn read_fields(&mut self) -> Result<(), DictionaryError> {
        let is_before_fix42 = self.root.attribute("type").unwrap_or("FIX") == "FIX"
            && self.root.attribute("major") == Some("4")
            && matches!(self.root.attribute("minor"), Some("0" | "1"));
        let mut names = HashMap::new();
        for node in elements(self.required_section("fields")?) {
            let (name, number) = (self.attribute(node, "name")?, self.attribute(node, "number")?);
            let tag = number.parse().ok().filter(|tag| (1..=TAG_MAX).contains(tag));
            let Some(tag) = tag else {
                let what = format!("the number {number:?} of {name:?} is no tag");
                return Err(self.error(node, what, "write a number from 1 to 999999999"));
            };
            let type_name = self.attribute(node, "type")?;
            let kind = DataType::of_name(type_name, is_before_fix42);
            if matches!(type_name, "DATA" | "XMLDATA") {
                self.data.insert(tag);
            }
            if let Some(other) = names.insert(tag, name) {
                let what = format!("the number {tag} is {name:?}'s and {other:?}'s");
                return Err(self.error(node, what, "give one of the two another number"));
            }
            if self.tags.insert(name, tag).is_some() {
                let what = format!("the field {name:?} is defined twice");
                return Err(self.error(node, what, "delete one of the two"));
            }
            let (mut values, mut value_names) = (Vec::new(), Vec::new());
            for value in elements(node).filter(|value| value.has_tag_name("value")) {
                values.push(self.attribute(value, "enum")?.into());
                value_names.push(value.attribute("description").unwrap_or_default().into());
            }
            self.fields.push(FieldSpec { tag, name: name.into(), kind, values, value_names });
        }
        Ok(())
    }

    fn frame_part(&mut self, name: &str, has_it: bool) -> Result<Vec<Part>, DictionaryError> {
        match self.section(name) {
            Some(section) => self.parts(section, 0),
            None if has_it => self.required_section(name).map(|_| Vec::new()),
            None => Ok(Vec::new()),
        }
    }

    /// The fields of a message, component or group, components among them resolved.
    fn parts(&mut self, node: Node<'a, 'a>, depth: usize) -> Result<Vec<Part>, DictionaryError> {
        if depth > DEPTH_MAX {
            let what = format!("groups and components stand more than {DEPTH_MAX} deep");
            return Err(self.error(node, what, "take one of them apart"));
        }
        let mut parts = Vec::new();
        for child in elements(node) {
            let name = self.attribute(child, "name")?;
            let required = matches!(child.attribute("required"), Some("Y" | "y"));
            match child.tag_name().name() {
                "field" => {
                    let tag = self.tag(child, name)?;
                    // What stands before data is its length (FIX 4.4 Vol. 1, data).
                    let before = parts.last().filter(|part: &&Part| part.group.is_none());
                    if let Some(length) = before.filter(|_| self.data.contains(&tag)) {
                        self.data_fields.insert((length.tag, tag));
                    }
                    parts.push(Part { tag, required, group: None });
                }
                "group" => {
                    let (tag, body) = (self.tag(child, name)?, self.parts(child, depth + 1)?);
                    if body.is_empty() {
                        let what = format!("the group {name:?} has no fields");
                        return Err(self.error(
                            child,
                            what,
                            "write the field its entries begin with",
                        ));
                    }
                    parts.push(Part { tag, required, group: Some(Arc::new(body)) });
                }
                "component" => {
                    let component = self.component(child, name, depth)?;
                    parts.extend(
                        component
                            .into_iter()
                            .map(|part| Part { required: part.required && required, ..part }),
                    );
                }
                other => {
                    let what = format!("<{other}> is no part of a message");
                    return Err(self.error(child, what, "write <field>, <group> or <component>"));
                }
            }
            if parts.len() > MEMBERS_MAX {
                return Err(self.too_many(child));
            }
        }
        Ok(parts)
    }

    fn component(
        &mut self,
        node: Node<'a, 'a>,
        name: &'a str,
        depth: usize,
    ) -> Result<Vec<Part>, DictionaryError> {
        match self.resolved.get(name) {
            Some(Resolved::Done(parts)) => return Ok(parts.clone()),
            Some(Resolved::Open) => {
                let what = format!("the component {name:?} has itself among its parts");
                return Err(self.error(node, what, "take it out there"));
            }
            None => {}
        }
        let Some(component) = self.components.get(name).copied() else {
            let what = format!("there is no component {name:?}");
            return Err(self.error(node, what, "define it in <components>, or mend the name"));
        };
        self.resolved.insert(name, Resolved::Open);
        let parts = self.parts(component, depth + 1)?;
        self.resolved.insert(name, Resolved::Done(parts.clone()));
        Ok(parts)
    }

    fn tag(&self, node: Node<'a, 'a>, name: &str) -> Result<u32, DictionaryError> {
        self.tags
            .get(name)
            .copied()
            .ok_or_else(|| self.error(node, format!("there is no field {name:?}"), FIELD_REMEDY))
    }

    fn section(&self, name: &str) -> Option<Node<'a, 'a>> {
        elements(self.root).find(|node| node.has_tag_name(name))
    }

    fn required_section(&self, name: &str) -> Result<Node<'a, 'a>, DictionaryError> {
        self.section(name).ok_or_else(|| {
            self.error(self.root, format!("there is no section <{name}>"), SECTION_REMEDY)
        })
    }

    fn attribute(&self, node: Node<'a, 'a>, name: &str) -> Result<&'a str, DictionaryError> {
        node.attribute(name).ok_or_else(|| {
            let what = format!("<{}> has no attribute {name:?}", node.tag_name().name());
            self.error(node, what, "write it")
        })
    }

    fn too_many(&self, node: Node<'a, 'a>) -> DictionaryError {
        let what = format!("a message, group or component has more than {MEMBERS_MAX} fields");
        self.error(node, what, "take out what is not exchanged")
    }

    fn error(&self, node: Node<'a, 'a>, what: String, remedy: &'static str) -> DictionaryError {
        let line = self.document.text_pos_at(node.range().start).row;
        DictionaryError { path: self.path.into(), line, what, remedy }
    }
}

fn elements<'a>(node: Node<'a, 'a>) -> impl Iterator<Item = Node<'a, 'a>> {
    node.children().filter(Node::is_element)
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
