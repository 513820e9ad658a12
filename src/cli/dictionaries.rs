//! The data dictionaries that sessions name: each file is read once, however many sessions share it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use fixwire::fix::ApplVerId;
use fixwire::fix::dictionary::{self, Dictionary, Spec, Validation};

use super::failure::Failure;
use super::session_file::{DictionaryFile, SessionSettings};
use super::text_file::{self, Unreadable};

/// Those that were read, and those that two of them make.
#[derive(Default)]
pub(crate) struct Dictionaries {
    read: HashMap<PathBuf, Arc<Spec>>,
    /// By the transport's, if there is one, the messages', and whether a field may have any value.
    compiled: HashMap<(Option<PathBuf>, PathBuf, bool), Arc<Dictionary>>,
}

impl Dictionaries {
    /// What the messages of a session are held against; `None` where it names no dictionary.
    pub(crate) fn validation(
        &mut self,
        settings: &SessionSettings,
    ) -> Result<Option<Validation>, Failure> {
        let validation = &settings.validation;
        let is_fixt = settings.begin_string.starts_with("FIXT");
        match (&validation.dictionary, &validation.transport, &validation.applications[..]) {
            // What all sessions inherit is of use to those that it is for.
            (_, Some(transport), applications @ [_, ..]) if is_fixt => {
                self.of_fixt(settings, transport, applications).map(Some)
            }
            (_, Some(file), []) | (_, None, [(_, file), ..]) if is_fixt => {
                Err(Failure::Input(format!(
                    "{}: FIXT.1.1 takes two dictionaries; write transport_data_dictionary = \"FIXT11.xml\" and \
                     app_data_dictionary = \"FIX50SP2.xml\"",
                    file.named_at
                )))
            }
            (Some(file), ..) if is_fixt => Err(Failure::Input(format!(
                "{}: `data_dictionary` is for FIX.4.0 to FIX.4.4, and a session's begin_string is {}; write \
                 transport_data_dictionary and app_data_dictionary for that session",
                file.named_at, settings.begin_string
            ))),
            (Some(file), ..) => self.of_one(settings, file).map(Some),
            (None, Some(file), _) | (None, None, [(_, file), ..]) if !is_fixt => {
                Err(Failure::Input(format!(
                    "{}: transport_data_dictionary and app_data_dictionary are for FIXT.1.1, and a session's \
                     begin_string is {}; write data_dictionary for that session",
                    file.named_at, settings.begin_string
                )))
            }
            _ => Ok(None),
        }
    }

    fn of_one(
        &mut self,
        settings: &SessionSettings,
        file: &DictionaryFile,
    ) -> Result<Validation, Failure> {
        let any_value = settings.validation.allow_unknown_enum_values;
        let dictionary = self.compiled(None, file, any_value)?;
        named_for(&dictionary, &settings.begin_string, "data_dictionary", file)?;
        Ok(Validation::of(dictionary, settings.validation.checks))
    }

    fn of_fixt(
        &mut self,
        settings: &SessionSettings,
        transport: &DictionaryFile,
        applications: &[(Option<ApplVerId>, DictionaryFile)],
    ) -> Result<Validation, Failure> {
        let ours = settings.default_appl_ver_id.unwrap_or(ApplVerId::Fix50Sp2);
        let mut by_version = Vec::new();
        for (version, file) in applications {
            let version = version.unwrap_or(ours);
            let spec = self.read(file)?;
            // Service packs share a version's number.
            let name = version.name().split("SP").next().unwrap_or_default();
            // FIX Latest has no number of its own: what has its messages calls itself so, or by the number they grew from.
            let is_latest = version == ApplVerId::FixLatest
                && (spec.begin_string == "FIX.5.0" || spec.begin_string.starts_with("FIX.Latest"));
            if spec.begin_string != name && !is_latest {
                return Err(Failure::Input(format!(
                    "{}: `app_data_dictionary` for {} is one of {}, {}; name one of {name}",
                    file.named_at,
                    version.name(),
                    spec.begin_string,
                    file.path.display()
                )));
            }
            let any_value = settings.validation.allow_unknown_enum_values;
            let dictionary = self.compiled(Some(transport), file, any_value)?;
            named_for(&dictionary, "FIXT.1.1", "transport_data_dictionary", transport)?;
            by_version.push((version, dictionary));
        }
        let Some((_, dictionary)) = by_version.iter().find(|(version, _)| *version == ours) else {
            let named_at = applications.first().map_or("", |(_, file)| &file.named_at);
            return Err(Failure::Input(format!(
                "{named_at}: `app_data_dictionary` has none of {0}, the session's default_appl_ver_id; write \
                 {{ \"{0}\" = \"FILE.xml\" }}",
                ours.name()
            )));
        };
        let (dictionary, checks) = (Arc::clone(dictionary), settings.validation.checks);
        Ok(Validation { dictionary, by_version, checks })
    }

    fn read(&mut self, file: &DictionaryFile) -> Result<Arc<Spec>, Failure> {
        if let Some(known) = self.read.get(&file.path) {
            return Ok(Arc::clone(known));
        }
        let spec = Arc::new(read(file)?);
        self.read.insert(file.path.clone(), Arc::clone(&spec));
        Ok(spec)
    }

    /// The dictionary of a file, over that of the transport, if there is one.
    fn compiled(
        &mut self,
        transport: Option<&DictionaryFile>,
        file: &DictionaryFile,
        any_value: bool,
    ) -> Result<Arc<Dictionary>, Failure> {
        let key = (transport.map(|file| file.path.clone()), file.path.clone(), any_value);
        if let Some(known) = self.compiled.get(&key) {
            return Ok(Arc::clone(known));
        }
        let spec = self.read(file)?;
        let mut spec = Spec::clone(&spec);
        if let Some(transport) = transport {
            spec = spec.over(Spec::clone(&*self.read(transport)?));
        }
        if any_value {
            spec.fields.iter_mut().for_each(|field| field.values.clear());
        }
        let dictionary = Dictionary::compile(&spec).map_err(|error| {
            let shown = file.path.display();
            Failure::Input(format!("{shown}: {error}; take out what is not exchanged"))
        })?;
        let dictionary = Arc::new(dictionary);
        self.compiled.insert(key, Arc::clone(&dictionary));
        Ok(dictionary)
    }
}

/// That a dictionary is of the version that it is named for.
fn named_for(
    dictionary: &Dictionary,
    ours: &str,
    key: &str,
    file: &DictionaryFile,
) -> Result<(), Failure> {
    if dictionary.begin_string() == ours {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "{}: `{key}` is one of {}, {}, and a session's begin_string is {ours}; name one of {ours} for that session",
        file.named_at,
        dictionary.begin_string(),
        file.path.display(),
    )))
}

fn read(file: &DictionaryFile) -> Result<Spec, Failure> {
    let shown = file.path.display().to_string();
    let text = text_file::read_dictionary(&file.path).map_err(|Unreadable { why, remedy }| {
        Failure::Input(format!(
            "{}: the data dictionary {shown} cannot be read: {why}; {remedy}",
            file.named_at
        ))
    })?;
    dictionary::read_xml(&shown, &text).map_err(|error| Failure::Input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::session_file::{Purpose, SessionFile};
    use super::*;

    const OURS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quickfix");

    /// What comes of a session file `text` in `folder`, for each of its sessions.
    fn loaded(folder: &Path, text: &str) -> Result<Vec<Option<Validation>>, String> {
        let path = folder.join("s.toml");
        fs::write(&path, text).unwrap();
        let file = SessionFile::open_or_built_in(Some(&path), Purpose::Trade);
        let mut dictionaries = Dictionaries::default();
        let sessions = file.map_err(|failure| failure.to_string())?.sessions;
        let validations = sessions.iter().map(|session| dictionaries.validation(session));
        validations.collect::<Result<_, _>>().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_dictionary_is_found_from_the_session_file_s_folder_and_read_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("d")).unwrap();
        for name in ["FIX42.xml", "FIX44.xml"] {
            fs::copy(Path::new(OURS).join(name), folder.path().join("d").join(name)).unwrap();
        }
        let text = format!(
            "[default]\ndata_dictionary = \"d/FIX44.xml\"\nvalidate_user_defined_fields = false\n\
             [[session]]\nsender_comp_id = \"A\"\n\
             [[session]]\nsender_comp_id = \"B\"\nallow_unknown_msg_fields = true\n\
             [[session]]\nbegin_string = \"FIX.4.2\"\ndata_dictionary = \"{OURS}/FIX42.xml\"\n",
        );
        let found = loaded(folder.path(), &text).unwrap();
        let [Some(a), Some(b), Some(c)] = &found[..] else { panic!("{found:?}") };
        assert!(Arc::ptr_eq(&a.dictionary, &b.dictionary));
        let named = [a, b, c].map(|found| found.dictionary.begin_string());
        assert_eq!(named, ["FIX.4.4", "FIX.4.4", "FIX.4.2"]);
        let switched =
            [a, b].map(|v| (v.checks.user_defined_fields, v.checks.allow_unknown_msg_fields));
        assert_eq!(switched, [(false, false), (false, true)]);
        assert!(matches!(&loaded(folder.path(), "").unwrap()[..], [None]));
    }

    #[test]
    fn a_value_that_is_not_listed_is_taken_where_the_session_says_so_and_only_there() {
        use fixwire::fix::dictionary::Validator;
        use fixwire::fix::{Decoder, RejectReason};
        let text = format!(
            "[default]\ndata_dictionary = \"{OURS}/FIX44.xml\"\n[[session]]\nsender_comp_id = \"A\"\n\
             [[session]]\nsender_comp_id = \"B\"\nallow_unknown_enum_values = true\n"
        );
        let found = loaded(tempfile::tempdir().unwrap().path(), &text).unwrap();
        let body = "35=A|49=A|56=B|34=1|52=20260102-03:04:05|98=7|108=30|".replace('|', "\x01");
        let mut message = format!("8=FIX.4.4\x019={}\x01{body}", body.len());
        let sum = message.bytes().fold(0u8, u8::wrapping_add);
        message += &format!("10={sum:03}\x01");
        let verdicts = found.into_iter().map(|validation| {
            let mut decoder = Decoder::default();
            let message = decoder.parse(message.as_bytes()).unwrap();
            let checked = Validator::new(validation.unwrap()).check(&message);
            checked.map_err(|violation| (violation.reason, violation.tag))
        });
        let expected = [Err((RejectReason::ValueIncorrect, Some(98))), Ok(())];
        assert_eq!(verdicts.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_wrong_with_a_dictionary_is_said_with_file_line_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let good = fs::read_to_string(format!("{OURS}/FIX44.xml")).unwrap();
        let broken = good.replacen("name='TestReqID' required", "name='TestReqIt' required", 1);
        let line = 1 + broken.lines().position(|line| line.contains("TestReqIt")).unwrap();
        fs::write(folder.path().join("broken.xml"), &broken).unwrap();
        fs::write(folder.path().join("latin1.xml"), b"<fix a='\xe4'/>").unwrap();
        let at_line = format!("broken.xml:{line}: there is no field \"TestReqIt\"; define it");
        let ours = format!("{OURS}/FIX42.xml");
        for (name, expected) in [
            ("broken.xml", [at_line.as_str(), "or mend the name"]),
            ("latin1.xml", ["s.toml:2: ", "not UTF-8; save it as UTF-8"]),
            ("none.xml", ["s.toml:2: the data dictionary ", "check the path"]),
            (&ours, ["s.toml:2: `data_dictionary` is one of FIX.4.2", "name one of FIX.4.4"]),
        ] {
            let text = format!("heart_bt_int = 5\ndata_dictionary = \"{name}\"\n");
            let said = loaded(folder.path(), &text).unwrap_err();
            assert!(expected.iter().all(|words| said.contains(words)), "{said}");
        }
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn one_that_comes_with_the_program_is_named_in_place_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[[session]]\ndata_dictionary = \"embedded:FIX44\"\n\
                    [[session]]\nbegin_string = \"FIXT.1.1\"\ndefault_appl_ver_id = \"FIX.5.0SP2\"\n\
                    transport_data_dictionary = \"embedded:FIXT11\"\n\
                    app_data_dictionary = { \"FIX.5.0SP2\" = \"embedded:FIX50SP2\", \"FIX.5.0\" = \"embedded:FIX50\" }\n";
        let found = loaded(folder.path(), text).unwrap();
        let [Some(one), Some(fixt)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(one.dictionary.begin_string(), "FIX.4.4");
        assert_eq!((fixt.dictionary.begin_string(), fixt.by_version.len()), ("FIXT.1.1", 2));
        let said = loaded(folder.path(), "data_dictionary = \"embedded:FIX45\"\n").unwrap_err();
        assert!(said.contains("s.toml:1: ") && said.contains("FIX44, FIX50"), "{said}");
    }

    /// FIXT 1.1 as far as a Logon takes it, and an application's version with one message.
    fn fixt_files(folder: &Path) {
        let frame = "<header><field name='BeginString' required='Y'/></header>\
                     <trailer><field name='CheckSum' required='Y'/></trailer>";
        let fields = "<fields><field number='8' name='BeginString' type='STRING'/>\
                      <field number='10' name='CheckSum' type='STRING'/>\
                      <field number='11' name='ClOrdID' type='STRING'/></fields>";
        let write = |name: &str, head: &str, frame: &str, messages: &str| {
            let text = format!("<fix {head}>{frame}<messages>{messages}</messages>{fields}</fix>");
            fs::write(folder.join(name), text).unwrap();
        };
        write(
            "T.xml",
            "type='FIXT' major='1' minor='1'",
            frame,
            "<message name='Logon' msgtype='A'/>",
        );
        let order =
            "<message name='Order' msgtype='D'><field name='ClOrdID' required='Y'/></message>";
        write("A50.xml", "type='FIX' major='5' minor='0'", "", order);
        write("A44.xml", "type='FIX' major='4' minor='4'", frame, order);
    }

    #[test]
    fn fixt_takes_a_dictionary_for_each_version_over_the_transport_s() {
        let folder = tempfile::tempdir().unwrap();
        fixt_files(folder.path());
        let fixt = "begin_string = \"FIXT.1.1\"\ndefault_appl_ver_id = \"FIX.5.0SP2\"\n";
        let text = format!(
            "[default]\ntransport_data_dictionary = \"T.xml\"\n\
             [[session]]\n{fixt}app_data_dictionary = \"A50.xml\"\n\
             [[session]]\n{fixt}sender_comp_id = \"B\"\n\
             app_data_dictionary = {{ \"FIX.5.0SP2\" = \"A50.xml\", \"FIX.4.4\" = \"A44.xml\" }}\n"
        );
        let found = loaded(folder.path(), &text).unwrap();
        let [Some(one), Some(two)] = &found[..] else { panic!("{found:?}") };
        assert!(Arc::ptr_eq(&one.dictionary, &two.dictionary), "compiled once");
        assert_eq!(one.dictionary.begin_string(), "FIXT.1.1");
        let versions: Vec<_> = two.by_version.iter().map(|(version, _)| *version).collect();
        assert_eq!(versions, [ApplVerId::Fix44, ApplVerId::Fix50Sp2]);
        for (keys, said) in [
            ("transport_data_dictionary = \"T.xml\"\n", "takes two dictionaries"),
            ("app_data_dictionary = \"A50.xml\"\n", "takes two dictionaries"),
            ("data_dictionary = \"A44.xml\"\n", "is for FIX.4.0 to FIX.4.4"),
            (
                "transport_data_dictionary = \"T.xml\"\napp_data_dictionary = \"A44.xml\"\n",
                "name one of FIX.5.0",
            ),
            (
                "transport_data_dictionary = \"A44.xml\"\napp_data_dictionary = \"A50.xml\"\n",
                "name one of FIXT.1.1",
            ),
            (
                "transport_data_dictionary = \"T.xml\"\napp_data_dictionary = { \"FIX.4.4\" = \"A44.xml\" }\n",
                "has none of FIX.5.0SP2",
            ),
        ] {
            let error = loaded(folder.path(), &format!("{fixt}{keys}")).unwrap_err();
            assert!(error.starts_with("s.toml") || error.contains("s.toml:"), "{error}");
            assert!(error.contains(said), "{error}");
        }
        let error = loaded(folder.path(), "transport_data_dictionary = \"T.xml\"\n").unwrap_err();
        assert!(error.contains("are for FIXT.1.1"), "{error}");
    }
}
