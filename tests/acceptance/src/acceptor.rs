//! The acceptor that is tried: `fixwire accept --app echo` on a TAP of this namespace.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Each version's BeginString, who logs on by it, and what the messages of FIXT are of.
const SESSIONS: [(&str, &str, Option<&str>); 8] = [
    ("FIX.4.0", "TW40", None),
    ("FIX.4.1", "TW41", None),
    ("FIX.4.2", "TW42", None),
    ("FIX.4.3", "TW43", None),
    ("FIX.4.4", "TW44", None),
    ("FIXT.1.1", "TW50", Some("FIX.5.0")),
    ("FIXT.1.1", "TW50SP1", Some("FIX.5.0SP1")),
    ("FIXT.1.1", "TW50SP2", Some("FIX.5.0SP2")),
];

/// It runs until this is dropped.
pub(crate) struct Acceptor(Child);

impl Acceptor {
    /// Starts it, each session held to its version's dictionary, and waits until it listens.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn start(program: &Path, dictionaries: Option<&Path>) -> Result<Acceptor, String> {
        let mut file = tempfile::Builder::new()
            .suffix(".toml")
            .tempfile()
            .map_err(|error| error.to_string())?;
        file.write_all(settings(dictionaries).as_bytes()).map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args(["accept", "--nic", "tap:fw0", "--app", "echo", "--json", "--session"])
            .arg(file.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut acceptor = Acceptor(child);
        let stdout = acceptor.0.stdout.take().ok_or("its output is not there")?;
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let listens = lines.any(|line| line.contains("\"listening\""));
        // It says much more, which nobody wants, and must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        if listens { Ok(acceptor) } else { Err("the acceptor did not come to listen".into()) }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Those of a folder by QuickFIX's names, FIX44.xml, FIX50SP1.xml, FIXT11.xml, and none for what it lacks; without a folder, those
/// that come with the program.
fn settings(dictionaries: Option<&Path>) -> String {
    let mut text = "[default]\nsender_comp_id = \"ISLD\"\nreset_on_logon = true\n".to_owned();
    let of = |version: &str| {
        let name = version.replace('.', "");
        let Some(folder) = dictionaries else { return Some(format!("embedded:{name}").into()) };
        let file = folder.join(name).with_extension("xml");
        file.is_file().then_some(file)
    };
    for (begin_string, target, appl_ver_id) in SESSIONS {
        text += &format!(
            "[[session]]\nbegin_string = \"{begin_string}\"\ntarget_comp_id = \"{target}\"\n"
        );
        if let Some(appl_ver_id) = appl_ver_id {
            text += &format!("default_appl_ver_id = \"{appl_ver_id}\"\n");
            if let (Some(transport), Some(app)) = (of(begin_string), of(appl_ver_id)) {
                text += &format!("transport_data_dictionary = {transport:?}\n");
                text += &format!("app_data_dictionary = {app:?}\n");
            }
        } else if let Some(file) = of(begin_string) {
            text += &format!("data_dictionary = {file:?}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_is_held_to_the_dictionaries_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["FIX42.xml", "FIXT11.xml", "FIX50SP1.xml"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let text = settings(Some(folder.path()));
        let keys = |of: &str| -> Vec<String> {
            let session = text.split("[[session]]").find(|session| session.contains(of)).unwrap();
            let lines = session.lines().filter(|line| line.contains("_dictionary = "));
            lines.map(|line| line.replace(&format!("{}/", folder.path().display()), "")).collect()
        };
        assert_eq!(keys("\"TW42\""), ["data_dictionary = \"FIX42.xml\""]);
        assert_eq!(
            keys("\"TW50SP1\""),
            [
                "transport_data_dictionary = \"FIXT11.xml\"",
                "app_data_dictionary = \"FIX50SP1.xml\""
            ]
        );
        // FIX50SP2.xml is not there.
        assert!(keys("\"TW50SP2\"").is_empty() && keys("\"TW44\"").is_empty());
    }

    #[test]
    fn without_a_folder_each_session_is_held_to_a_dictionary_of_the_program_s_own() {
        let text = settings(None);
        assert_eq!(text.matches("\ndata_dictionary = \"embedded:FIX4").count(), 5);
        assert_eq!(text.matches("\ntransport_data_dictionary = \"embedded:FIXT11\"").count(), 3);
        assert_eq!(text.matches("\napp_data_dictionary = \"embedded:FIX50").count(), 3);
    }
}
