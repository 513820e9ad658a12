//! What the loader reads, and each mistake with its line.

use super::*;

const FIELDS: &str = "<fields>\n<field number='8' name='B' type='STRING'/>\n\
    <field number='11' name='Id' type='STRING'/>\n<field number='54' name='Side' type='CHAR'>\n\
    <value enum='1' description='BUY'/><value enum='2'/></field>\n\
    <field number='386' name='NoX' type='NUMINGROUP'/></fields>";
const FRAME: &str = "<header><field name='B' required='Y'/></header><trailer/>";

fn dictionary(messages: &str, components: &str, fields: &str) -> String {
    format!(
        "<fix major='4' minor='4'>\n{FRAME}\n<messages>\n{messages}\n</messages>\n\
         <components>\n{components}\n</components>\n{fields}\n</fix>"
    )
}

#[test]
fn components_are_resolved_and_required_only_where_both_are() {
    let messages = "<message name='M' msgtype='D' msgcat='app'>\
        <component name='C' required='N'/><group name='NoX' required='Y'>\
        <component name='C' required='Y'/></group></message>";
    let components = "<component name='C'><field name='Id' required='Y'/>\
                      <component name='E' required='Y'/></component>\n\
                      <component name='E'><field name='Side' required='N'/></component>";
    let spec = read_xml("d.xml", &dictionary(messages, components, FIELDS)).unwrap();
    let field = |tag, required| Part { tag, required, group: None };
    let [message] = &spec.messages[..] else { panic!("{:?}", spec.messages) };
    assert_eq!(message.parts[..2], [field(11, false), field(54, false)]);
    let group = &message.parts[2];
    assert_eq!((group.tag, group.required), (386, true));
    assert_eq!(**group.group.as_ref().unwrap(), [field(11, true), field(54, false)]);
    assert_eq!(spec.fields[2].values, [b"1", b"2"]);
    assert_eq!((spec.begin_string.as_str(), &spec.header[..]), ("FIX.4.4", &[field(8, true)][..]));
}

#[test]
fn each_mistake_has_its_line_and_its_remedy() {
    let message = |inner: &str| format!("<message name='M' msgtype='D'>\n{inner}</message>");
    let deep = "<group name='NoX'>".repeat(40) + &"</group>".repeat(40);
    let itself = "<component name='C'><component name='E'/></component>\n\
                  <component name='E'>\n<component name='C'/></component>";
    let table = [
        ("<fix>".to_string(), 1, "no XML"),
        ("<dictionary/>".into(), 1, "<dictionary>"),
        ("<fix major='4' minor='4'></fix>".into(), 1, "<fields>"),
        (format!("<fix>\n{FIELDS}</fix>"), 1, "\"major\""),
        (format!("<fix major='4' minor='4'>{FIELDS}</fix>"), 1, "<header>"),
        (format!("<fix type='FAX' major='4' minor='4'>{FIELDS}</fix>"), 1, "FAX"),
        (dictionary(&message("<field name='No'/>"), "", FIELDS), 5, "no field \"No\""),
        (dictionary(&message("<field/>"), "", FIELDS), 5, "no attribute \"name\""),
        (dictionary(&message("<thing name='Id'/>"), "", FIELDS), 5, "<thing>"),
        (dictionary(&message("<group name='NoX'/>"), "", FIELDS), 5, "no fields"),
        (dictionary(&message("<component name='C'/>"), "", FIELDS), 5, "no component \"C\""),
        (dictionary(&message("<component name='C'/>"), itself, FIELDS), 10, "itself"),
        (dictionary(&message(&deep), "", FIELDS), 5, "deep"),
        (dictionary(&(message("") + &message("")), "", FIELDS), 5, "twice"),
        (dictionary("<message msgtype=''/>", "", FIELDS), 4, "msgtype"),
        (dictionary("", "", &FIELDS.replace("'54'", "'0'")), 12, "no tag"),
        (dictionary("", "", &FIELDS.replace("'54'", "'11'")), 12, "is \"Side\"'s"),
        (dictionary("", "", &FIELDS.replace("'Side'", "'Id'")), 12, "twice"),
        (
            "<!DOCTYPE fix [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><fix>&b;</fix>".into(),
            1,
            "no XML",
        ),
    ];
    for (text, line, what) in table {
        let error = read_xml("d.xml", &text).unwrap_err();
        assert!(error.what.contains(what) && error.line == line, "{error}\n{text}");
        assert!(error.to_string().starts_with(&format!("d.xml:{line}: ")), "{error}");
    }
}

#[test]
fn what_would_grow_without_end_is_refused() {
    // Each has the one before it twice.
    let mut components = String::from("<component name='C0'><field name='Id'/></component>");
    for n in 1..30 {
        let last = n - 1;
        components += &format!(
            "<component name='C{n}'><component name='C{last}'/><component name='C{last}'/></component>"
        );
    }
    let messages = "<message name='M' msgtype='D'><component name='C29'/></message>";
    let error = read_xml("d.xml", &dictionary(messages, &components, FIELDS)).unwrap_err();
    assert!(error.what.contains("more than"), "{error}");
    let error = read_xml("d.xml", &" ".repeat(FILE_BYTES_MAX + 1)).unwrap_err();
    assert!(error.what.contains("bytes"), "{error}");
    let nested = "<a>".repeat(400_000) + &"</a>".repeat(400_000);
    assert!(read_xml("d.xml", &nested).is_err());
    let many = "<a/>".repeat(NODES_MAX as usize + 1);
    assert!(read_xml("d.xml", &format!("<fix>{many}</fix>")).is_err());
}

#[test]
fn no_cut_and_no_changed_byte_panics() {
    let messages = "<message name='M' msgtype='D'><component name='C'/></message>";
    let text = dictionary(messages, "<component name='C'><field name='Id'/></component>", FIELDS);
    for at in 0..text.len() {
        assert!(read_xml("d.xml", &text[..at]).is_err(), "cut at {at}");
        for byte in ["<", ">", "'", "&", "x", "\0"] {
            let changed = format!("{}{byte}{}", &text[..at], &text[at + 1..]);
            let _ = read_xml("d.xml", &changed);
        }
    }
}
