//! Data dictionaries that come with the program: `embedded:FIX44`. They are those of QuickFIX that hotfix-dictionary has,
//! written out in QuickFIX's XML form again, so that one reader judges all.

use std::fmt::Write;

use hotfix_dictionary::{Dictionary, Field, LayoutItem, LayoutItemKind};

/// One by the name of QuickFIX's file.
type Named = (&'static str, fn() -> Dictionary);

const ALL: [Named; 9] = [
    ("FIX40", Dictionary::fix40),
    ("FIX41", Dictionary::fix41),
    ("FIX42", Dictionary::fix42),
    ("FIX43", Dictionary::fix43),
    ("FIX44", Dictionary::fix44),
    ("FIX50", Dictionary::fix50),
    ("FIX50SP1", Dictionary::fix50sp1),
    ("FIX50SP2", Dictionary::fix50sp2),
    ("FIXT11", Dictionary::fixt11),
];

/// The names, for whoever wrote another.
pub(crate) fn names() -> String {
    ALL.map(|(name, _)| name).join(", ")
}

/// The dictionary of this name in QuickFIX's XML form.
pub(crate) fn xml(name: &str) -> Option<String> {
    let (_, dictionary) = ALL.iter().find(|(known, _)| *known == name)?;
    Some(written(&dictionary()))
}

fn written(dictionary: &Dictionary) -> String {
    // FIX.4.4, FIXT.1.1, FIX.5.0-SP2.
    let mut version = dictionary.version().split(['.', '-']);
    let mut part = || version.next().unwrap_or_default();
    let (kind, major, minor) = (part(), part(), part());
    let pack = part().trim_start_matches("SP").parse().unwrap_or(0u8);
    let mut xml =
        format!("<fix type='{kind}' major='{major}' minor='{minor}' servicepack='{pack}'>\n");
    for (section, name) in [("header", "StandardHeader"), ("trailer", "StandardTrailer")] {
        let _ = writeln!(xml, "<{section}>");
        if let Some(component) = dictionary.component_by_name(name) {
            component.items().for_each(|item| put(&mut xml, &item));
        }
        let _ = writeln!(xml, "</{section}>");
    }
    xml += "<messages>\n";
    let mut messages = dictionary.messages();
    messages.sort_by(|one, other| one.msg_type().cmp(other.msg_type()));
    for message in &messages {
        let (name, msg_type) = (message.name(), message.msg_type());
        let _ = writeln!(xml, "<message name='{name}' msgtype='{msg_type}'>");
        message.layout().for_each(|item| put(&mut xml, &item));
        xml += "</message>\n";
    }
    xml += "</messages>\n<components>\n";
    for component in &dictionary.components() {
        // They stand in sections of their own.
        if !component.name().starts_with("Standard") {
            let _ = writeln!(xml, "<component name='{}'>", component.name());
            component.items().for_each(|item| put(&mut xml, &item));
            xml += "</component>\n";
        }
    }
    xml += "</components>\n<fields>\n";
    let mut fields = dictionary.fields();
    fields.sort_by_key(|field| field.tag());
    fields.iter().for_each(|field| put_field(&mut xml, field));
    xml += "</fields>\n</fix>\n";
    xml
}

/// A part of a message, a component or a group, and what is in it.
fn put(xml: &mut String, item: &LayoutItem<'_>) {
    let required = if item.required() { 'Y' } else { 'N' };
    let name = item.tag_text();
    let _ = match item.kind() {
        LayoutItemKind::Field(_) => writeln!(xml, "<field name='{name}' required='{required}'/>"),
        LayoutItemKind::Component(_) => {
            writeln!(xml, "<component name='{name}' required='{required}'/>")
        }
        LayoutItemKind::Group(_, items) => {
            let begun = writeln!(xml, "<group name='{name}' required='{required}'>");
            items.iter().for_each(|item| put(xml, item));
            begun.and_then(|()| writeln!(xml, "</group>"))
        }
    };
}

fn put_field(xml: &mut String, field: &Field<'_>) {
    let datatype = field.fix_datatype();
    let kind = datatype.to_quickfix_name();
    let _ = writeln!(xml, "<field number='{}' name='{}' type='{kind}'>", field.tag(), field.name());
    for value in field.enums().into_iter().flatten() {
        let (value, name) = (escaped(value.value()), escaped(value.description()));
        let _ = writeln!(xml, "<value enum='{value}' description='{name}'/>");
    }
    xml.push_str("</field>\n");
}

/// As XML has it in an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use fixwire::fix::dictionary::{self, Dictionary};

    use super::*;

    #[test]
    fn each_is_read_and_compiled_and_is_of_its_version() {
        for (name, _) in ALL {
            let text = xml(name).unwrap();
            let spec = dictionary::read_xml(name, &text).unwrap_or_else(|error| panic!("{error}"));
            let version = match name {
                "FIXT11" => "FIXT.1.1".to_owned(),
                _ => format!("FIX.{}.{}", &name[3..4], &name[4..5]),
            };
            assert_eq!(spec.begin_string, version);
            assert!(spec.fields.len() > 60 && !spec.messages.is_empty(), "{name}");
            // FIX 5.0 has its header in FIXT.
            if !name.starts_with("FIX50") {
                Dictionary::compile(&spec).unwrap();
                let has = |tag| spec.header.iter().any(|part| part.tag == tag && part.required);
                assert!([8, 9, 35, 34, 49, 52, 56].into_iter().all(has), "{name}");
                assert!(spec.messages.iter().any(|message| message.msg_type == b"A"), "{name}");
            }
        }
        assert_eq!(xml("FIX45"), None);
    }

    #[test]
    fn an_order_of_fix_4_4_has_its_fields_groups_and_values() {
        let spec = dictionary::read_xml("FIX44", &xml("FIX44").unwrap()).unwrap();
        let order = spec.messages.iter().find(|message| message.msg_type == b"D").unwrap();
        let part = |tag| order.parts.iter().find(|part| part.tag == tag).unwrap();
        assert!(part(11).required && part(54).required && !part(44).required);
        // Instrument's, and the sides of an allocation.
        assert_eq!(part(55).group, None);
        assert_eq!(part(78).group.as_ref().unwrap()[0].tag, 79);
        let side = spec.fields.iter().find(|field| field.tag == 54).unwrap();
        let buy = side.values.iter().position(|value| value == b"1").unwrap();
        assert_eq!((side.name.as_str(), side.value_names[buy].as_str()), ("Side", "BUY"));
        assert!(spec.data_fields.contains(&(95, 96)));
    }
}
